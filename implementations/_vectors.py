# ruff: noqa: ARG001, ARG005 - numba passes every intrinsic its arguments' types, used or not
"""Sixteen numbers at a time in numba: values of LLVM vector type, and loops that are unrolled.

LLVM splits a vector into the registers that the processor has: sixteen float32 are one register of
AVX-512, two of AVX2 and four of NEON. Arrays are flat; a place in them is an index.
"""

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

try:
    from llvmlite import ir
    from numba import extending, njit, types
    from numba.core import cgutils as cgutils_of_numba
    from numba.core import codegen
    from numba.np import arrayobj
except ImportError as error:
    raise ImportError(
        f"its compiled loop needs numba: pip install numba ({error})",
        name=error.name,
    ) from error

cgutils: Any = cgutils_of_numba
get_host_cpu_features: Any = codegen.get_host_cpu_features
make_array: Any = arrayobj.make_array
llvm: Any = ir
numba_types: Any = types
populate_array: Any = arrayobj.populate_array
LANES = 16


def intrinsic(function: Callable[..., Any]) -> Any:
    """``numba.extending.intrinsic``: ``function`` gives the type and the LLVM code of a call."""
    return extending.intrinsic(function)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function when it is first called, by Python or by another such function."""
    return njit(nogil=True, error_model="numpy", **options)(function)  # x / 0 gives inf


def kept_on_disk(function: Callable[..., Any]) -> Any:
    """Compile like ``compiled``, and cache on disk if a folder is writable."""
    try:
        return compiled(function, cache=True)
    except RuntimeError:  # no folder is writable
        return compiled(function)


sums_reordered = partial(compiled, fastmath={"reassoc", "contract"})
"""Compiles like ``compiled``, but may reorder sums."""


class Vector(types.Type):
    """Sixteen float32 or float64."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@extending.register_model(Vector)
class _Model(extending.models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        vector = ir.VectorType(element(fe_type), LANES)
        super().__init__(dmm, fe_type, vector)  # type: ignore[no-untyped-call]


def element(kind: Any) -> Any:
    return ir.DoubleType() if kind.dtype == types.float64 else ir.FloatType()


def constant(kind: Any, value: float, lanes: int = LANES) -> Any:
    return ir.Constant(ir.VectorType(element(kind), lanes), [value] * lanes)


def pointer(
    context: Any, builder: Any, kind: Any, array: Any, place: Any, lanes: int = LANES
) -> Any:
    """The address of ``lanes`` elements of an array."""
    data = make_array(kind)(context, builder, array).data
    single = builder.gep(data, [place])
    scalar = single.type.pointee
    return builder.bitcast(single, ir.VectorType(scalar, lanes).as_pointer())


def load_from(builder: Any, address: Any) -> Any:
    loaded = builder.load(address)
    loaded.align = 4
    return loaded


def store_to(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, address).align = 4


def spread(builder: Any, scalar: Any) -> Any:
    """A vector that repeats one number."""
    one = ir.VectorType(scalar.type, LANES)
    zero = ir.Constant(ir.IntType(32), 0)
    first = builder.insert_element(ir.Constant(one, ir.Undefined), scalar, zero)
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(zero.type, LANES), [0] * LANES)
    )


def pair_lanes(builder: Any, pair: Any) -> Any:
    """A vector that alternates the two numbers of a pair."""
    lanes = ir.VectorType(ir.IntType(32), LANES)
    return builder.shuffle_vector(pair, pair, ir.Constant(lanes, [0, 1] * (LANES // 2)))


@intrinsic
def load(typingctx: Any, array: Any, place: Any) -> Any:
    """Sixteen elements from a place on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return load_from(builder, pointer(context, builder, array, args[0], args[1]))

    return Vector(array.dtype)(array, types.intp), code


@intrinsic
def store(typingctx: Any, array: Any, place: Any, vector: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        store_to(builder, args[2], pointer(context, builder, array, args[0], args[1]))
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), code


@intrinsic
def pair(typingctx: Any, array: Any, place: Any) -> Any:
    """A vector that repeats the two elements from a place on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return pair_lanes(
            builder, load_from(builder, pointer(context, builder, array, args[0], args[1], 2))
        )

    return Vector(array.dtype)(array, types.intp), code


@intrinsic
def copy_pair(typingctx: Any, array: Any, place: Any, target: Any, at: Any) -> Any:
    """Two elements from a place of one array to a place of another."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        two = load_from(builder, pointer(context, builder, array, args[0], args[1], 2))
        store_to(builder, two, pointer(context, builder, target, args[2], args[3], 2))
        return context.get_dummy_value()

    return types.none(array, types.intp, target, types.intp), code


@intrinsic
def splat(typingctx: Any, array: Any, number: Any) -> Any:
    """A vector that repeats a number, in the dtype of an array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return spread(builder, context.cast(builder, args[1], number, array.dtype))

    return Vector(array.dtype)(array, number), code


def _binary(name: str) -> Any:
    @intrinsic
    def operation(typingctx: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return a(a, b), code

    return operation


def _operator(symbol: Any, operation: Any) -> None:
    @extending.overload(symbol, strict=False)
    def of_vectors(a: Any, b: Any) -> Any:
        if isinstance(a, Vector) and isinstance(b, Vector):
            return lambda a, b: operation(a, b)
        return None


for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _binary(_name))


@intrinsic
def where_less(typingctx: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """``then`` in the lanes where a < b."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args[:2]), *args[2:])

    return a(a, b, then, otherwise), code


@intrinsic
def any_less(typingctx: Any, a: Any, b: Any) -> Any:
    """Whether a < b in any lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.bitcast(builder.fcmp_ordered("<", *args), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", found, ir.Constant(found.type, 0))

    return types.boolean(a, b), code


def call(builder: Any, name: str, *args: Any) -> Any:
    """An intrinsic function of LLVM on vectors of one type."""
    kind = args[0].type
    letter = "f64" if isinstance(kind.element, ir.DoubleType) else "f32"
    declared = ir.FunctionType(kind, [a.type for a in args])
    function = cgutils.get_or_insert_function(
        builder.module, declared, f"llvm.{name}.v{kind.count}{letter}"
    )
    return builder.call(function, args)


def _of_vector(code: Callable[..., Any], result: Any = None) -> Any:
    """A numba intrinsic of one vector; ``code`` emits its LLVM instructions."""

    @intrinsic
    def function(typingctx: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return code(builder, x, args[0])

        return (result or x)(x), emit

    return function


def whole(size: int, value: int) -> Any:
    """A vector of integers of ``size`` bits, each equal to ``value``."""
    return ir.Constant(ir.VectorType(ir.IntType(size), LANES), [value] * LANES)


def _exponential(builder: Any, kind: Any, x: Any) -> Any:
    """2^n times a Taylor series of the rest, which is at most log(2) / 2 in size."""
    double = kind.dtype == types.float64
    size, fraction, bias = (64, 52, 1023) if double else (32, 23, 127)
    degree, high = (13, 0.693147180369123816490) if double else (7, 0.693359375)
    low = 1.90821492927058770002e-10 if double else math.log(2) - high
    n = call(builder, "rint", builder.fmul(x, constant(kind, 1 / math.log(2))))
    r = call(builder, "fma", n, constant(kind, -high), x)
    r = call(builder, "fma", n, constant(kind, -low), r)
    series = constant(kind, 1 / math.factorial(degree))
    for k in range(degree - 1, -1, -1):
        series = call(builder, "fma", series, r, constant(kind, 1 / math.factorial(k)))
    exponent = builder.add(builder.fptosi(n, whole(size, 0).type), whole(size, bias))
    power = builder.shl(exponent, whole(size, fraction))
    return builder.fmul(series, builder.bitcast(power, x.type))


def _widen(builder: Any, kind: Any, x: Any) -> Any:
    return (
        x
        if kind.dtype == types.float64
        else builder.fpext(x, ir.VectorType(ir.DoubleType(), LANES))
    )


def _exponent(builder: Any, kind: Any, x: Any) -> Any:
    field = builder.lshr(builder.bitcast(x, whole(64, 0).type), whole(64, 52))
    return builder.sitofp(builder.sub(field, whole(64, 1023)), x.type)


def _mantissa(builder: Any, kind: Any, x: Any) -> Any:
    field = builder.and_(builder.bitcast(x, whole(64, 0).type), whole(64, 2**52 - 1))
    return builder.bitcast(builder.or_(field, whole(64, 1023 << 52)), x.type)


root = _of_vector(lambda builder, kind, x: call(builder, "sqrt", x))
exponential = _of_vector(_exponential)
"""exp(x), for x from the logarithm of the smallest normal number to 0."""
widen = _of_vector(_widen, Vector(types.float64))
"""Convert float32 lanes to float64."""
exponent = _of_vector(_exponent)
"""The exponents of positive float64, as numbers."""
mantissa = _of_vector(_mantissa)
"""Positive float64 with their exponents set to 0."""


@intrinsic
def narrow(typingctx: Any, array: Any, x: Any) -> Any:
    """Convert a vector to the dtype of an array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        own = ir.VectorType(element(array), LANES)
        return args[1] if args[1].type == own else builder.fptrunc(args[1], own)

    return Vector(array.dtype)(array, x), code


@intrinsic
def where_bits(typingctx: Any, bits: Any, place: Any, then: Any, otherwise: Any) -> Any:
    """``then`` in the lanes whose bits are set in ``bits[place]``, else ``otherwise``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(bits)(context, builder, args[0]).data
        set_bits = builder.load(builder.gep(data, [args[1]]))
        lanes = builder.bitcast(set_bits, ir.VectorType(ir.IntType(1), LANES))
        return builder.select(lanes, *args[2:])

    return then(bits, types.intp, then, otherwise), code


@intrinsic
def array_at(typingctx: Any, address: Any, n: Any, like: Any) -> Any:
    """``n`` numbers of a scalar's type at an address, in memory that the array does not own."""
    kind = types.Array(like, 1, "C")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = make_array(kind)(context, builder)
        size = context.get_constant(types.intp, context.get_abi_sizeof(array.data.type.pointee))
        populate_array(
            array,
            data=builder.inttoptr(args[0], array.data.type),
            shape=[args[1]],
            strides=[size],
            itemsize=size,
            meminfo=None,
        )
        return array._getvalue()

    return kind(types.intp, types.intp, like), code
