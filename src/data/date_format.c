/* date_format.c - dates in a format that the user names, like strptime but without a locale. */
#include <string.h>

#include "data/date.h"

typedef struct {
    int64_t year;
    int month, day, day_of_year; /* day_of_year 0: not given */
    int hour, minute, second, us;
    int half; /* %p: 0 not given, 1 AM, 2 PM */
    bool hour12;
} fields;

static const char *const month_names[12] = {"january",   "february", "march",    "april",
                                            "may",       "june",     "july",     "august",
                                            "september", "october",  "november", "december"};

mp_status mp_date_format_check(const char *fmt, bool *has_time, mp_error *err) {
    bool year = false, time = false;
    for (const char *f = fmt; *f; f++) {
        if (*f != '%') continue;
        f++;
        if (!*f || !strchr("YymdejHIpMSbBfTF%", *f)) {
            mp_error_set(err, MP_USAGE, NULL, "unknown directive '%%%c' in date format '%s'",
                         *f ? *f : ' ', fmt);
            mp_error_hint(err, "directives are %%Y %%y %%m %%d %%e %%j %%b %%B %%H %%I %%p %%M %%S "
                               "%%f %%T %%F %%%%");
            return MP_USAGE;
        }
        if (strchr("YyF", *f)) year = true;
        if (strchr("HIpMSfT", *f)) time = true;
    }
    if (!year) {
        mp_error_set(err, MP_USAGE, NULL, "date format '%s' has no year", fmt);
        mp_error_hint(err, "such as %%d.%%m.%%Y");
        return MP_USAGE;
    }
    *has_time = time;
    return MP_OK;
}

/* From least to most digits at *p; false: fewer, or a value outside [low, high]. */
static bool take_number(const char **p, const char *end, int least, int most, int low, int high,
                        int *out) {
    int n = 0, v = 0;
    while (n < most && *p < end && **p >= '0' && **p <= '9') {
        v = v * 10 + (**p - '0');
        ++*p;
        n++;
    }
    if (n < least || v < low || v > high) return false;
    *out = v;
    return true;
}

/* Bytes of the lower-case name that stand at p, in any case. */
static size_t same_letters(const char *p, const char *end, const char *name) {
    size_t i = 0;
    while (p + i < end && name[i] && (p[i] | 0x20) == name[i])
        i++;
    return i;
}

/* A month's whole name, else its first three letters. */
static bool take_month(const char **p, const char *end, int *month) {
    for (int m = 0; m < 12; m++) {
        size_t n = same_letters(*p, end, month_names[m]);
        if (n < 3) continue;
        *p += n == strlen(month_names[m]) ? n : 3;
        *month = m + 1;
        return true;
    }
    return false;
}

static bool take_fraction(const char **p, const char *end, int *us) {
    const char *start = *p;
    if (!take_number(p, end, 1, 6, 0, 999999, us)) return false;
    for (int64_t n = *p - start; n < 6; n++)
        *us *= 10;
    return true;
}

static bool take_half(const char **p, const char *end, int *half) {
    if (same_letters(*p, end, "am") == 2)
        *half = 1;
    else if (same_letters(*p, end, "pm") == 2)
        *half = 2;
    else
        return false;
    *p += 2;
    return true;
}

static bool take_year(const char **p, const char *end, int digits, fields *f) {
    int y;
    if (!take_number(p, end, digits, digits, 0, 9999, &y)) return false;
    f->year = digits == 4 ? y : y < 69 ? 2000 + y : 1900 + y;
    return f->year > 0;
}

static bool take_literal(const char **p, const char *end, char c) {
    if (*p == end || **p != c) return false;
    ++*p;
    return true;
}

static bool take_directive(const char **p, const char *end, char directive, fields *f) {
    switch (directive) {
    case 'Y':
        return take_year(p, end, 4, f);
    case 'y':
        return take_year(p, end, 2, f);
    case 'm':
        return take_number(p, end, 1, 2, 1, 12, &f->month);
    case 'b':
    case 'B':
        return take_month(p, end, &f->month);
    case 'e':
        if (*p < end && **p == ' ') ++*p;
        return take_number(p, end, 1, 2, 1, 31, &f->day);
    case 'd':
        return take_number(p, end, 1, 2, 1, 31, &f->day);
    case 'j':
        return take_number(p, end, 1, 3, 1, 366, &f->day_of_year);
    case 'H':
        f->hour12 = false;
        return take_number(p, end, 1, 2, 0, 23, &f->hour);
    case 'I':
        f->hour12 = true;
        return take_number(p, end, 1, 2, 1, 12, &f->hour);
    case 'p':
        return take_half(p, end, &f->half);
    case 'M':
        return take_number(p, end, 1, 2, 0, 59, &f->minute);
    case 'S':
        return take_number(p, end, 1, 2, 0, 59, &f->second);
    case 'f':
        return take_fraction(p, end, &f->us);
    case 'T':
        return take_directive(p, end, 'H', f) && take_literal(p, end, ':') &&
               take_directive(p, end, 'M', f) && take_literal(p, end, ':') &&
               take_directive(p, end, 'S', f);
    case 'F':
        return take_directive(p, end, 'Y', f) && take_literal(p, end, '-') &&
               take_directive(p, end, 'm', f) && take_literal(p, end, '-') &&
               take_directive(p, end, 'd', f);
    case '%':
        return take_literal(p, end, '%');
    default:
        return false;
    }
}

static bool compose(const fields *f, int64_t *us) {
    int64_t days;
    if (f->year == 0) return false;
    if (f->day_of_year) {
        if (f->day_of_year > 365 + (mp_days_in_month(f->year, 2) == 29)) return false;
        days = mp_days_from_civil(f->year, 1, f->day_of_year);
    } else {
        if (f->day > mp_days_in_month(f->year, f->month)) return false;
        days = mp_days_from_civil(f->year, f->month, f->day);
    }
    int hour = f->hour;
    if (f->hour12) hour = hour % 12 + (f->half == 2 ? 12 : 0);
    int64_t seconds = (int64_t)hour * 3600 + f->minute * 60 + f->second;
    *us = days * MP_US_PER_DAY + seconds * 1000000 + f->us;
    return true;
}

bool mp_parse_date_format(const char *p, size_t n, const char *fmt, int64_t *us) {
    fields f = {.month = 1, .day = 1};
    const char *end = p + n;
    for (; *fmt; fmt++) {
        bool ok = *fmt == '%' && fmt[1] ? take_directive(&p, end, *++fmt, &f)
                                        : take_literal(&p, end, *fmt);
        if (!ok) return false;
    }
    return p == end && compose(&f, us);
}
