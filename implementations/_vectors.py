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
    from numba.np import arrayobj
except ImportError as error:
    raise ImportError(
        f"its compiled loop needs numba: pip install 'supcr-bench[fast]', or pip install numba "
        f"({error})",
        name=error.name,
    ) from error

cgutils: Any = cgutils_of_numba
make_array: Any = arrayobj.make_array
LANES = 16
ROWS = 8
"""Rows of a product that are computed at once, two vectors wide."""


def intrinsic(function: Callable[..., Any]) -> Any:
    """The function of numba whose type and code another function makes from its arguments'."""
    return extending.intrinsic(function)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function on its first call, and cache it on disk if a folder is writable."""
    options |= {"nogil": True, "error_model": "numpy"}  # x / 0 gives inf
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder is writable
        return njit(**options)(function)


sums_reordered = partial(compiled, fastmath={"reassoc", "contract"})
"""The same, where the order of sums does not matter."""


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
    """One number in all lanes."""
    one = ir.VectorType(scalar.type, LANES)
    zero = ir.Constant(ir.IntType(32), 0)
    first = builder.insert_element(ir.Constant(one, ir.Undefined), scalar, zero)
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(zero.type, LANES), [0] * LANES)
    )


def pair_lanes(builder: Any, pair: Any) -> Any:
    """Two numbers in turn in all lanes."""
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
    """Two elements from a place on, in turn in all lanes."""

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
    """A number in all lanes, in the dtype of an array."""

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
    """A function of one vector; ``code`` makes it from the builder, the vector's type and value."""

    @intrinsic
    def function(typingctx: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return code(builder, x, args[0])

        return (result or x)(x), emit

    return function


def whole(size: int, value: int) -> Any:
    """A whole number of so many bits in all lanes."""
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
"""Of numbers from the logarithm of the smallest normal number to 0."""
widen = _of_vector(_widen, Vector(types.float64))
"""As float64."""
exponent = _of_vector(_exponent)
"""The exponents of positive float64, as numbers."""
mantissa = _of_vector(_mantissa)
"""Positive float64 with their exponents set to 0."""


@intrinsic
def narrow(typingctx: Any, array: Any, x: Any) -> Any:
    """In the dtype of an array."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        own = ir.VectorType(element(array), LANES)
        return args[1] if args[1].type == own else builder.fptrunc(args[1], own)

    return Vector(array.dtype)(array, x), code


def _product(in_pairs: bool, adds: bool) -> Any:
    """Eight rows of a matrix product, two vectors wide."""

    @intrinsic
    def product(
        typingctx: Any,
        a: Any,
        at_a: Any,
        row_a: Any,
        step_a: Any,
        b: Any,
        at_b: Any,
        step_b: Any,
        n: Any,
        out: Any,
        at_out: Any,
        row_out: Any,
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            one = ir.Constant(args[1].type, LANES)
            sums = []
            for r in range(ROWS):
                place = builder.add(args[9], builder.mul(args[10], ir.Constant(one.type, r)))
                for at in (place, builder.add(place, one)):
                    address = pointer(context, builder, out, args[8], at)
                    first = load_from(builder, address) if adds else constant(out, 0.0)
                    kept = cgutils.alloca_once(builder, first.type)
                    builder.store(first, kept)
                    sums.append((kept, address))
            with cgutils.for_range(builder, args[7]) as loop:
                at = builder.add(args[5], builder.mul(loop.index, args[6]))
                wide = [
                    load_from(builder, pointer(context, builder, b, args[4], place))
                    for place in (at, builder.add(at, one))
                ]
                left = builder.add(args[1], builder.mul(loop.index, args[3]))
                for r in range(ROWS):
                    place = builder.add(left, builder.mul(args[2], ir.Constant(one.type, r)))
                    if in_pairs:
                        two = load_from(builder, pointer(context, builder, a, args[0], place, 2))
                        factor = pair_lanes(builder, two)
                    else:
                        data = make_array(a)(context, builder, args[0]).data
                        factor = spread(builder, builder.load(builder.gep(data, [place])))
                    for (kept, _), other in zip(sums[2 * r : 2 * r + 2], wide, strict=True):
                        total = call(builder, "fma", factor, other, builder.load(kept))
                        builder.store(total, kept)
            for kept, address in sums:
                store_to(builder, builder.load(kept), address)
            return context.get_dummy_value()

        place = types.intp
        return types.none(a, place, place, place, b, place, place, place, out, place, place), code

    return product


product_of_pairs = _product(in_pairs=True, adds=False)
"""out[r, :] = sum over n of (a pair of row r, in turn) * b[n, :]."""
add_product = _product(in_pairs=False, adds=True)
"""out[r, :] += sum over n of a[r, n] * b[n, :]."""


@intrinsic
def merge_rows(
    typingctx: Any,
    labels: Any,
    m: Any,
    order: Any,
    own: Any,
    places: Any,
    terms: Any,
    starts: Any,
    at: Any,
    work: Any,
    same: Any,
) -> Any:
    """Sort the rows of eight anchors by label distance, farthest first, and fetch their terms.

    Each step takes the farther end of the rest of a row, and the anchor itself last. It does eight
    rows at once, because each step waits for the one before it.

    Args:
        typingctx: of numba.
        labels: rising, M or more.
        m: their number.
        order: the column of each label.
        own: [8] labels of the anchors.
        places: [8] their places among the labels.
        terms: pairs by column.
        starts: [8] where the anchors' terms start.
        at: [M, 8] receives the columns.
        work: [M, 8, 2] receives their terms.
        same: [M, 8, 2] receives 1 where a distance is that of the place before, or 0.

    Returns:
        Whether any distances are equal.
    """
    arrays = {"labels": 0, "order": 2, "own": 3, "places": 4, "starts": 6}

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        data = [
            make_array(k)(context, builder, x).data if isinstance(k, types.Array) else x
            for k, x in zip(kinds, args, strict=True)
        ]
        index = args[1].type
        zero, eight = ir.Constant(index, 0), ir.Constant(index, ROWS)

        def read(name: str, place: Any) -> Any:
            return builder.load(builder.gep(data[arrays[name]], [place]))

        lanes = [ir.Constant(index, r) for r in range(ROWS)]
        label, place, start = ([read(n, r) for r in lanes] for n in ("own", "places", "starts"))
        lows = [cgutils.alloca_once_value(builder, zero) for _ in lanes]
        minus = ir.Constant(label[0].type, -1.0)
        before = [cgutils.alloca_once_value(builder, minus) for _ in lanes]
        tied = cgutils.alloca_once_value(builder, cgutils.false_bit)
        with cgutils.for_range(builder, args[1]) as loop:
            left = builder.sub(builder.sub(args[1], loop.index), ir.Constant(index, 1))
            row = builder.mul(loop.index, eight)
            for r, lane in enumerate(lanes):
                low = builder.load(lows[r])
                high = builder.add(low, left)
                below = builder.fsub(label[r], read("labels", low))
                above = builder.fsub(read("labels", high), label[r])
                nearer = builder.fcmp_ordered(">=", below, above)
                takes = builder.and_(nearer, builder.icmp_signed("!=", low, place[r]))
                taken = builder.select(takes, low, high)
                distance = builder.select(takes, below, above)
                column = read("order", taken)
                cell = builder.add(row, lane)
                builder.store(column, builder.gep(data[7], [cell]))
                cell = builder.mul(cell, ir.Constant(index, 2))
                source = builder.add(
                    start[r], builder.mul(builder.sext(column, index), ir.Constant(index, 2))
                )
                two = load_from(builder, pointer(context, builder, terms, args[5], source, 2))
                store_to(builder, two, pointer(context, builder, work, args[8], cell, 2))
                equal = builder.fcmp_ordered("==", distance, builder.load(before[r]))
                flag = builder.select(equal, constant(same, 1.0, 2), constant(same, 0.0, 2))
                store_to(builder, flag, pointer(context, builder, same, args[9], cell, 2))
                builder.store(builder.or_(builder.load(tied), equal), tied)
                builder.store(distance, before[r])
                builder.store(builder.add(low, builder.zext(takes, index)), lows[r])
        return builder.load(tied)

    place = types.intp
    return types.boolean(labels, place, order, own, places, terms, starts, at, work, same), code
