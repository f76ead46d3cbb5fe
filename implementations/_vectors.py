"""Sixteen numbers at a time in numba: values of LLVM vector type, and loops that are unrolled.

LLVM splits a vector into the registers that the processor has: sixteen float32 are one register of
AVX-512, two of AVX2 and four of NEON. Arrays are flat; a place in them is an index.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

try:
    from llvmlite import ir
    from numba import extending, njit, types
    from numba.core import cgutils as cgutils_of_numba
    from numba.core import codegen
    from numba.np import arrayobj
    from numba.np.unsafe import ndarray
except ImportError as error:
    raise ImportError(
        f"its compiled loop needs numba: pip install numba ({error})", name=error.name
    ) from error

arrays: Any = arrayobj
cgutils: Any = cgutils_of_numba
get_host_cpu_features: Any = codegen.get_host_cpu_features
to_fixed_tuple: Any = ndarray.to_fixed_tuple
lower_builtin: Any = extending.lower_builtin
llvm: Any = ir
numba_types: Any = types
LANES = 16


def called_by_python(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function when it is first called, by Python or by another compiled function."""
    return njit(nogil=True, error_model="numpy", **options)(function)  # x / 0 gives inf


compiled = functools.partial(called_by_python, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Compiles a function that only compiled functions call: Python cannot, and must not, because the
code to convert its arguments, which takes as long to compile as a small function, is missing."""
sums_reordered = functools.partial(compiled, fastmath={"reassoc", "contract"})
"""Compiles like ``compiled``, but may reorder sums."""


def kept_on_disk(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and cache it on disk if a folder is writable."""
    try:
        return called_by_python(function, cache=True)
    except RuntimeError:  # no folder is writable
        return called_by_python(function)


def entry_of(function: Any) -> Any:
    """The code of a function that was compiled for arguments of one kind.

    Called by it, a function does not look at the types of its arguments, which takes as long as all
    else that is done before the code where caches are cold.
    """
    found = [*getattr(function, "overloads", {}).values()]
    return found[0].entry_point if len(found) == 1 else function


class Vector(types.Type):
    """Sixteen float32 or float64."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@extending.register_model(Vector)
class _Model(extending.models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        double = fe_type.dtype == types.float64
        super().__init__(dmm, fe_type, vector_of(ir.DoubleType() if double else ir.FloatType()))  # type: ignore[no-untyped-call]


def vector_of(number: Any, lanes: int = LANES) -> Any:
    return ir.VectorType(number, lanes)


def constant(vector: Any, value: float) -> Any:
    """A vector of this type that repeats a value."""
    return ir.Constant(vector, [value] * vector.count)


class Elements:
    """The elements of an array, as LLVM code reads and writes them."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        self.builder = builder
        self.data = arrays.make_array(kind)(context, builder, array).data
        self.number = self.data.type.pointee

    def address(self, place: Any) -> Any:
        return self.builder.gep(self.data, [place])

    def pointer(self, place: Any, lanes: int = LANES) -> Any:
        """The address of a vector of elements from a place on."""
        return self.builder.bitcast(self.address(place), vector_of(self.number, lanes).as_pointer())

    def read(self, place: Any) -> Any:
        return self.builder.load(self.address(place))

    def load(self, place: Any, lanes: int = LANES) -> Any:
        loaded = self.builder.load(self.pointer(place, lanes))
        loaded.align = 4
        return loaded

    def store(self, vector: Any, place: Any) -> None:
        self.builder.store(vector, self.pointer(place, vector.type.count)).align = 4


def intrinsic(result: Any) -> Callable[..., Any]:
    """Make a function that emits LLVM code an intrinsic function of numba.

    The function gets the builder and the arguments: arrays as :class:`Elements`, whole numbers as
    wide as an index. ``result`` is the type of what it returns, or gives it from the types of the
    arguments.
    """

    def emitted_by(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def typed(_: Any, *kinds: Any) -> Any:
            def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                given = [
                    Elements(context, builder, kind, x) if isinstance(kind, types.Array) else x
                    for kind, x in zip(signature.args, args, strict=True)
                ]
                found = function(builder, *given)
                return context.get_dummy_value() if found is None else found

            wide = [types.intp if isinstance(kind, types.Integer) else kind for kind in kinds]
            kind = result if isinstance(result, types.Type) else result(*kinds)
            return kind(*wide), code

        return extending.intrinsic(typed)

    return emitted_by


def of_first(kind: Any, *_: Any) -> Any:
    return kind


def of_array(array: Any, *_: Any) -> Any:
    """A vector in the dtype of the first argument, an array."""
    return Vector(array.dtype)


def spread(builder: Any, scalar: Any) -> Any:
    """A vector that repeats one number."""
    zero = ir.Constant(ir.IntType(32), 0)
    unset = ir.Constant(vector_of(scalar.type), ir.Undefined)
    one = builder.insert_element(unset, scalar, zero)
    return builder.shuffle_vector(one, one, constant(vector_of(zero.type), 0))


def pair_lanes(builder: Any, pair: Any) -> Any:
    """A vector that alternates the two numbers of a pair."""
    lanes = ir.Constant(vector_of(ir.IntType(32)), [0, 1] * (LANES // 2))
    return builder.shuffle_vector(pair, pair, lanes)


@intrinsic(of_array)
def load(_builder: Any, array: Any, place: Any) -> Any:
    """Sixteen elements from a place on."""
    return array.load(place)


@intrinsic(types.none)
def store(_builder: Any, array: Any, place: Any, vector: Any) -> None:
    array.store(vector, place)


@intrinsic(of_array)
def pair(builder: Any, array: Any, place: Any) -> Any:
    """A vector that repeats the two elements from a place on."""
    return pair_lanes(builder, array.load(place, 2))


@intrinsic(types.none)
def copy_pair(_builder: Any, array: Any, place: Any, target: Any, at: Any) -> None:
    """Two elements from a place of one array to a place of another."""
    target.store(array.load(place, 2), at)


@intrinsic(of_array)
def splat(builder: Any, array: Any, number: Any) -> Any:
    """A vector that repeats a float64, in the dtype of an array."""
    return spread(builder, shortened(builder, number, array.number))


@intrinsic(of_array)
def narrow(builder: Any, array: Any, x: Any) -> Any:
    """Convert a vector to the dtype of an array."""
    return shortened(builder, x, vector_of(array.number))


def shortened(builder: Any, x: Any, kind: Any) -> Any:
    """A float64, or a vector of them, as another type of numbers."""
    return x if x.type == kind else builder.fptrunc(x, kind)


def _binary(symbol: Any, name: str) -> None:
    """Give vectors the operator that an instruction of LLVM computes."""

    @extending.type_callable(symbol)
    def typed(_context: Any) -> Any:
        return lambda a, b: a if isinstance(a, Vector) and a == b else None

    def emitted(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return getattr(builder, name)(*args)

    lower_builtin(symbol, Vector, Vector)(emitted)


_binary(operator.add, "fadd")
_binary(operator.sub, "fsub")
_binary(operator.mul, "fmul")
_binary(operator.truediv, "fdiv")


@intrinsic(of_first)
def where_less(builder: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """``then`` in the lanes where a < b."""
    return builder.select(builder.fcmp_ordered("<", a, b), then, otherwise)


@intrinsic(types.boolean)
def any_less(builder: Any, a: Any, b: Any) -> Any:
    """Whether a < b in any lane."""
    found = builder.bitcast(builder.fcmp_ordered("<", a, b), ir.IntType(LANES))
    return builder.icmp_unsigned("!=", found, ir.Constant(found.type, 0))


@intrinsic(lambda *kinds: kinds[2])
def where_bits(builder: Any, bits: Any, place: Any, then: Any, otherwise: Any) -> Any:
    """``then`` in the lanes whose bits are set in ``bits[place]``, else ``otherwise``."""
    lanes = builder.bitcast(bits.read(place), vector_of(ir.IntType(1)))
    return builder.select(lanes, then, otherwise)


def call(builder: Any, name: str, *args: Any) -> Any:
    """An intrinsic function of LLVM on vectors of one type."""
    kind = args[0].type
    letter = "f64" if isinstance(kind.element, ir.DoubleType) else "f32"
    declared = ir.FunctionType(kind, [a.type for a in args])
    function = cgutils.get_or_insert_function(
        builder.module, declared, f"llvm.{name}.v{kind.count}{letter}"
    )
    return builder.call(function, args)


@intrinsic(of_first)
def root(builder: Any, x: Any) -> Any:
    return call(builder, "sqrt", x)


@intrinsic(of_first)
def exponential(builder: Any, x: Any) -> Any:
    """exp(x), for x from the logarithm of the smallest normal number to 0.

    It is 2^n times a Taylor series of the rest, which is at most log(2) / 2 in size.
    """
    double = isinstance(x.type.element, ir.DoubleType)
    size, fraction, bias = (64, 52, 1023) if double else (32, 23, 127)
    degree, high = (13, 0.693147180369123816490) if double else (7, 0.693359375)
    low = 1.90821492927058770002e-10 if double else math.log(2) - high
    n = call(builder, "rint", builder.fmul(x, constant(x.type, 1 / math.log(2))))
    r = call(builder, "fma", n, constant(x.type, -high), x)
    r = call(builder, "fma", n, constant(x.type, -low), r)
    series = constant(x.type, 1 / math.factorial(degree))
    for k in range(degree - 1, -1, -1):
        series = call(builder, "fma", series, r, constant(x.type, 1 / math.factorial(k)))
    whole = vector_of(ir.IntType(size))
    exponent = builder.add(builder.fptosi(n, whole), constant(whole, bias))
    power = builder.shl(exponent, constant(whole, fraction))
    return builder.fmul(series, builder.bitcast(power, x.type))


@intrinsic(Vector(types.float64))
def widen(builder: Any, x: Any) -> Any:
    """Convert float32 lanes to float64."""
    double = vector_of(ir.DoubleType())
    return x if x.type == double else builder.fpext(x, double)


WHOLE = vector_of(ir.IntType(64))
"""The type of the bits of a vector of float64."""


@intrinsic(of_first)
def exponent(builder: Any, x: Any) -> Any:
    """The exponents of positive float64, as numbers."""
    field = builder.lshr(builder.bitcast(x, WHOLE), constant(WHOLE, 52))
    return builder.sitofp(builder.sub(field, constant(WHOLE, 1023)), x.type)


@intrinsic(of_first)
def mantissa(builder: Any, x: Any) -> Any:
    """Positive float64 with their exponents set to 0."""
    field = builder.and_(builder.bitcast(x, WHOLE), constant(WHOLE, 2**52 - 1))
    return builder.bitcast(builder.or_(field, constant(WHOLE, 1023 << 52)), x.type)


def _array(context: Any, builder: Any, kind: Any, data: Any, shape: Any) -> Any:
    """An array in memory that it does not own."""
    array = arrays.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(array.data.type.pointee))
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    data = builder.bitcast(data, array.data.type)
    arrays.populate_array(array, data, shape, strides, size, meminfo=None)
    return array._getvalue()


def _array_at(_: Any, _address: Any, shape: Any, like: Any) -> Any:
    """An array of a scalar's type at an address; its shape is a tuple."""
    kind = types.Array(like, len(shape), "C")

    def code(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        data = builder.inttoptr(args[0], cgutils.voidptr_t)
        return _array(context, builder, kind, data, cgutils.unpack_tuple(builder, args[1]))

    return kind(types.intp, numba_types.UniTuple(types.intp, len(shape)), like), code


def _on_stack(_: Any, like: Any) -> Any:
    """Sixteen numbers of a scalar's type, until the function that asks for them returns."""
    kind = types.Array(like, 1, "C")

    def code(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
        data = cgutils.alloca_once(builder, context.get_data_type(like), LANES)
        return _array(context, builder, kind, data, [context.get_constant(types.intp, LANES)])

    return kind(like), code


array_at: Any = extending.intrinsic(_array_at)
on_stack: Any = extending.intrinsic(_on_stack)
