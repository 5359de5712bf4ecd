"""Vectors of eight float32 in Numba's kernels: `Lanes`, in a vector register if the CPU has one.

LLVM's own vectoriser gives up on rows of a few channels, because it cannot prove that their loops
do not overlap. These operations process eight numbers explicitly. LLVM maps them to the
instructions of the CPU (AVX2, AVX-512, NEON). An array that is loaded from or stored to must
have `LANES` numbers from `start`.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, no_type_check

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from redditgnn.kernels.edge_hash import HEAD_STEP, MIX_STEPS

LANES = 8
FLOAT, INT = ir.FloatType(), ir.IntType(32)
VECTOR, INTS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT, LANES)
# exp(r) for |r| <= ln(2) / 2: Taylor terms 1 / k! from the seventh down, relative error 1e-8
EXP = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0)
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # their sum is ln 2, and the first has 9 bits
LEAST = -87.0


class LanesType(types.Type):
    """Numba's type of eight float32."""

    def __init__(self) -> None:
        super().__init__(name="Lanes8xFloat32")


lanes = LanesType()


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    """Lanes are an LLVM vector."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, VECTOR)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, start: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    item = builder.gep(data, [start])
    return builder.bitcast(item, VECTOR.as_pointer())


def _constant(value: float) -> ir.Constant:
    return ir.Constant(VECTOR, [value] * LANES)


@intrinsic
@no_type_check
def load(typing, array, start):
    """Return `array[start : start + 8]` of a contiguous one-dimensional float32 array."""

    def generate(context, builder, signature, args):
        index = context.cast(builder, args[1], signature.args[1], types.intp)
        item = builder.load(_pointer(context, builder, signature.args[0], args[0], index))
        item.align = 4
        return item

    return lanes(array, start), generate


@intrinsic
@no_type_check
def prefetch(typing, array, index):
    """Prefetch the cache line of `array[index]`. The item need not exist."""

    def generate(context, builder, signature, args):
        place = context.cast(builder, args[1], signature.args[1], types.intp)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(data, [place]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, INT, INT, INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, INT(0), INT(3), INT(1)])  # to read, into every cache
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
@no_type_check
def store(typing, array, start, values):
    """Write `values` to `array[start : start + 8]`."""

    def generate(context, builder, signature, args):
        index = context.cast(builder, args[1], signature.args[1], types.intp)
        place = _pointer(context, builder, signature.args[0], args[0], index)
        builder.store(args[2], place).align = 4
        return context.get_dummy_value()

    return types.void(array, start, values), generate


@intrinsic
@no_type_check
def splat(typing, number):
    """Return eight copies of `number`."""

    def generate(context, builder, signature, args):
        single = context.cast(builder, args[0], signature.args[0], types.float32)
        first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), single, INT(0))
        order = ir.Constant(INTS, [0] * LANES)
        return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), order)

    return lanes(number), generate


@intrinsic
@no_type_check
def bits(typing, number):
    """Return eight copies of the bits of `number`, an int32, only to select and store."""

    def generate(context, builder, signature, args):
        single = context.cast(builder, args[0], signature.args[0], types.int32)
        return builder.bitcast(_spread(builder, single), VECTOR)

    return lanes(number), generate


def _binary(emit: Callable[[Any, Any, Any], Any]) -> Any:
    @no_type_check
    def operation(typing, left, right):
        def generate(context, builder, signature, args):
            return emit(builder, *args)

        return (lanes(left, right), generate) if left == right == lanes else None

    return intrinsic(operation)


_add = _binary(lambda builder, left, right: builder.fadd(left, right, flags=("contract",)))
_subtract = _binary(lambda builder, left, right: builder.fsub(left, right, flags=("contract",)))
_multiply = _binary(lambda builder, left, right: builder.fmul(left, right, flags=("contract",)))


def _left_where(comparison: str) -> Any:
    return _binary(
        lambda builder, left, right: builder.select(
            builder.fcmp_ordered(comparison, left, right), left, right
        )
    )


maximum, minimum = _left_where(">"), _left_where("<")


def _as_operator(symbol: Any, operation: Any) -> None:
    @overload(symbol)
    @no_type_check
    def of_lanes(left, right):
        if left == right == lanes:
            return lambda left, right: operation(left, right)
        return None


_as_operator(operator.add, _add)
_as_operator(operator.sub, _subtract)
_as_operator(operator.mul, _multiply)


@intrinsic
@no_type_check
def where_positive(typing, test, yes, no):
    """Return `yes` in the lanes where `test > 0`, `no` in the others."""

    def generate(context, builder, signature, args):
        positive = builder.fcmp_ordered(">", args[0], _constant(0.0))
        return builder.select(positive, args[1], args[2])

    return lanes(test, yes, no), generate


def _reduction(name: str, neutral: float | None) -> Any:
    @no_type_check
    def operation(typing, values):
        def generate(context, builder, signature, args):
            start = [] if neutral is None else [FLOAT(neutral)]
            kind = ir.FunctionType(FLOAT, [item.type for item in [*start, args[0]]])
            function = cgutils.get_or_insert_function(
                builder.module, kind, f"llvm.vector.reduce.{name}.v{LANES}f32"
            )
            return builder.call(function, [*start, args[0]], fastmath=("reassoc", "nnan", "nsz"))

        return types.float32(values), generate

    return intrinsic(operation)


total = _reduction("fadd", -0.0)
largest = _reduction("fmax", None)


@intrinsic
@no_type_check
def totals(typing, array, start):
    """Return the eight sums of eight numbers each, of `array[start : start + 64]`."""

    def generate(context, builder, signature, args):
        at = context.cast(builder, args[1], signature.args[1], types.intp)
        rows = []
        for number in range(LANES):
            index = builder.add(at, ir.Constant(at.type, number * LANES))
            item = builder.load(_pointer(context, builder, signature.args[0], args[0], index))
            item.align = 4
            rows.append(item)
        for distance in (1, 2, 4):  # each step adds lanes this far apart, and joins two rows
            rows = [
                _add_across(builder, rows[number], rows[number + 1], distance)
                for number in range(0, len(rows), 2)
            ]
        return rows[0]

    return lanes(array, start), generate


def _add_across(builder: Any, left: Any, right: Any, distance: int) -> Any:
    """Add lanes `distance` apart: of `left` in lanes without that bit, of `right` in others."""
    first = [lane if not lane & distance else lane - distance + LANES for lane in range(LANES)]
    pieces = [
        builder.shuffle_vector(left, right, ir.Constant(INTS, [lane + step for lane in first]))
        for step in (0, distance)
    ]
    return builder.fadd(*pieces)


@intrinsic
@no_type_check
def exp(typing, values):
    """Return e ** values for values <= 0. Below -87 the result is 1.6e-38. NaN stays NaN."""

    def generate(context, builder, signature, args):
        low = builder.fcmp_ordered("<", args[0], _constant(LEAST))
        clipped = builder.select(low, _constant(LEAST), args[0])
        kind = ir.FunctionType(VECTOR, [VECTOR])
        rint = cgutils.get_or_insert_function(builder.module, kind, f"llvm.rint.v{LANES}f32")
        whole = builder.call(rint, [builder.fmul(clipped, _constant(LOG2_E))])
        rest = builder.fsub(clipped, builder.fmul(whole, _constant(LN2_HIGH)), flags=("contract",))
        rest = builder.fsub(rest, builder.fmul(whole, _constant(LN2_LOW)), flags=("contract",))
        result = _constant(EXP[0])
        for coefficient in EXP[1:]:
            product = builder.fmul(result, rest, flags=("contract",))
            result = builder.fadd(product, _constant(coefficient), flags=("contract",))
        exponent = builder.add(builder.fptosi(whole, INTS), ir.Constant(INTS, [127] * LANES))
        scale = builder.bitcast(builder.shl(exponent, ir.Constant(INTS, [23] * LANES)), VECTOR)
        return builder.fmul(result, scale)

    return lanes(values), generate


@intrinsic
@no_type_check
def keep_mask(typing, edge_key, first, threshold):
    """Return a mask of heads `first` to `first + 7` of an edge: 1 where hash >= `threshold`."""

    def generate(context, builder, signature, args):
        key, head, least = (
            context.cast(builder, value, kind, types.uint32)
            for value, kind in zip(args, signature.args, strict=True)
        )
        numbers = ir.Constant(INTS, [(lane + 1) * HEAD_STEP % 2**32 for lane in range(LANES)])
        base = builder.add(key, builder.mul(head, INT(HEAD_STEP)))
        bits = _emit_mix(builder, builder.add(_spread(builder, base), numbers))
        keep = builder.icmp_unsigned(">=", bits, _spread(builder, least))
        return builder.select(keep, _constant(1.0), _constant(0.0))

    return lanes(edge_key, first, threshold), generate


@intrinsic
@no_type_check
def mix(typing, bits):
    """Return the hash of `bits`, a uint32: see `redditgnn.kernels.edge_hash`."""

    def generate(context, builder, signature, args):
        return _emit_mix(builder, context.cast(builder, args[0], signature.args[0], types.uint32))

    return types.uint32(bits), generate


def _emit_mix(builder: Any, bits: Any) -> Any:
    def constant(number: int) -> ir.Constant:
        one = bits.type == INT
        return INT(number) if one else ir.Constant(INTS, [number] * LANES)

    for shift, factor in MIX_STEPS:
        bits = builder.xor(bits, builder.lshr(bits, constant(shift)))
        bits = builder.mul(bits, constant(factor)) if factor != 1 else bits
    return bits


def _spread(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(INTS, ir.Undefined)
    first = builder.insert_element(nothing, number, INT(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(INTS, [0] * LANES))


@njit(cache=True, nogil=True)
@no_type_check
def try_lanes(values):
    """Run eight values through the kernels' operations, to test that they compile here."""
    prefetch(values, 0)
    store(values, 0, exp(load(values, 0) - splat(values[0])) * keep_mask(1, 0, 0))
    return total(load(values, 0))
