/* agg_select.c - selection among integers of both widths. */
#include "op/agg/agg_select.h"

#include <stdbool.h>
#include <string.h>

enum {
    SAMPLE = 64,
    SAMPLE_FROM = 512,
    SAMPLE_MARGIN = 12,
    COUNT_BLOCK = 1 << 12,
    FEW = 32,
    MOST_ROUNDS = 100
};

#define VALUE int32_t
#define VALUE_MIN INT32_MIN
#define VALUE_MAX INT32_MAX
#define NAME(x) x##_i32
#include "op/agg/agg_select_any.h"
#undef VALUE
#undef VALUE_MIN
#undef VALUE_MAX
#undef NAME

#define VALUE int64_t
#define VALUE_MIN INT64_MIN
#define VALUE_MAX INT64_MAX
#define NAME(x) x##_i64
#include "op/agg/agg_select_any.h"
