/* functions.c - the table of functions and aggregates, from which the parser takes names and
 * numbers of arguments. */
#include "expr/ast.h"

#define FN(name, op, min, max)                                                                     \
    { name, op, 0, min, max }
#define AGG(name, fn, min, max)                                                                    \
    { name, MP_EX_AGG, fn, min, max }

const mp_ex_function mp_ex_functions[] = {
    FN("abs", MP_EX_ABS, 1, 1),
    FN("round", MP_EX_ROUND, 1, 2),
    FN("floor", MP_EX_FLOOR, 1, 1),
    FN("ceil", MP_EX_CEIL, 1, 1),
    FN("sqrt", MP_EX_SQRT, 1, 1),
    FN("exp", MP_EX_EXP, 1, 1),
    FN("log", MP_EX_LOG, 1, 1),
    FN("pow", MP_EX_POW, 2, 2),
    FN("lower", MP_EX_LOWER, 1, 1),
    FN("upper", MP_EX_UPPER, 1, 1),
    FN("trim", MP_EX_TRIM, 1, 1),
    FN("length", MP_EX_LENGTH, 1, 1),
    FN("substr", MP_EX_SUBSTR, 2, 3),
    FN("concat", MP_EX_CONCAT, 1, MP_EXPR_ITEMS),
    FN("replace", MP_EX_REPLACE, 3, 3),
    FN("year", MP_EX_YEAR, 1, 1),
    FN("month", MP_EX_MONTH, 1, 1),
    FN("day", MP_EX_DAY, 1, 1),
    FN("hour", MP_EX_HOUR, 1, 1),
    FN("date", MP_EX_TO_DATE, 1, 1),
    FN("timestamp", MP_EX_TO_TIMESTAMP, 1, 1),
    FN("if", MP_EX_IF, 3, 3),
    FN("coalesce", MP_EX_COALESCE, 1, MP_EXPR_ITEMS),
    FN("int", MP_EX_TO_INT, 1, 1),
    FN("float", MP_EX_TO_FLOAT, 1, 1),
    FN("decimal", MP_EX_TO_DECIMAL, 1, 1),
    FN("string", MP_EX_TO_STRING, 1, 1),
    AGG("count", MP_AGG_COUNT, 0, 1),
    AGG("count_distinct", MP_AGG_COUNT_DISTINCT, 1, 1),
    AGG("sum", MP_AGG_SUM, 1, 1),
    AGG("mean", MP_AGG_MEAN, 1, 1),
    AGG("avg", MP_AGG_MEAN, 1, 1),
    AGG("min", MP_AGG_MIN, 1, 1),
    AGG("max", MP_AGG_MAX, 1, 1),
    AGG("var", MP_AGG_VAR, 1, 1),
    AGG("std", MP_AGG_STD, 1, 1),
    AGG("median", MP_AGG_QUANTILE, 1, 1),
    AGG("quantile", MP_AGG_QUANTILE, 2, 2),
    AGG("first", MP_AGG_FIRST, 1, 1),
    AGG("last", MP_AGG_LAST, 1, 1),
    AGG("top", MP_AGG_TOP, 2, 2),
    AGG("bottom", MP_AGG_BOTTOM, 2, 2),
    AGG("corr", MP_AGG_CORR, 2, 2),
};
const int mp_ex_function_count = (int)(sizeof mp_ex_functions / sizeof mp_ex_functions[0]);

const mp_ex_function *mp_ex_function_find(mp_str name) {
    for (int i = 0; i < mp_ex_function_count; i++)
        if (mp_str_eq_nocase(name, mp_ex_functions[i].name)) return &mp_ex_functions[i];
    return NULL;
}

const char *mp_ex_function_nearest(const char *name) {
    const char *names[sizeof mp_ex_functions / sizeof mp_ex_functions[0]];
    for (int i = 0; i < mp_ex_function_count; i++)
        names[i] = mp_ex_functions[i].name;
    int k = mp_str_nearest(name, names, mp_ex_function_count);
    return k < 0 ? NULL : names[k];
}
