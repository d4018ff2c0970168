/* date.c - the calendar, and dates and timestamps in their own form.
 * Civil dates from days and back: Hinnant, "chrono-compatible low-level date algorithms" (years
 * from 1 March, eras of 400 years). */
#include "data/date.h"

#include <string.h>

#include "data/print_num.h"

enum { DAYS_PER_ERA = 146097, DAYS_TO_EPOCH = 719468 }; /* 0000-03-01 to 1970-01-01 */
#define DAYS_MAX ((int64_t)1000000000000)

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int64_t mp_days_from_civil(int64_t year, int month, int day) {
    if (month <= 2) year--;
    int64_t era = floor_div(year, 400), y = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * DAYS_PER_ERA + y * 365 + y / 4 - y / 100 + day_of_year - DAYS_TO_EPOCH;
}

void mp_civil_from_days(int64_t days, int64_t *year, int *month, int *day) {
    if (days > DAYS_MAX) days = DAYS_MAX;
    if (days < -DAYS_MAX) days = -DAYS_MAX;
    days += DAYS_TO_EPOCH;
    int64_t era = floor_div(days, DAYS_PER_ERA), d = days - era * DAYS_PER_ERA;
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int day_of_year = (int)(d - (365 * y + y / 4 - y / 100));
    int m = (5 * day_of_year + 2) / 153; /* 0 is March */
    *day = day_of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2);
}

int mp_days_in_month(int64_t year, int month) {
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

int64_t mp_date_year(int64_t days) {
    int64_t y;
    int m, d;
    mp_civil_from_days(days, &y, &m, &d);
    return y;
}

int mp_date_month(int64_t days) {
    int64_t y;
    int m, d;
    mp_civil_from_days(days, &y, &m, &d);
    return m;
}

int mp_date_day(int64_t days) {
    int64_t y;
    int m, d;
    mp_civil_from_days(days, &y, &m, &d);
    return d;
}

/* Two digits at p; 100 or more when one of them is no digit. */
static unsigned two_digits(const char *p) {
    unsigned a = (unsigned)(unsigned char)p[0] - '0', b = (unsigned)(unsigned char)p[1] - '0';
    return a > 9 || b > 9 ? 100 : a * 10 + b;
}

bool mp_parse_date(const char *p, size_t n, int64_t *days) {
    if (n != 10 || p[4] != '-' || p[7] != '-') return false;
    unsigned century = two_digits(p), years = two_digits(p + 2);
    unsigned month = two_digits(p + 5), day = two_digits(p + 8);
    if (century > 99 || years > 99 || month - 1 > 11) return false;
    int64_t year = century * 100 + years;
    if (year == 0 || day == 0 || (int)day > mp_days_in_month(year, (int)month)) return false;
    *days = mp_days_from_civil(year, (int)month, (int)day);
    return true;
}

bool mp_parse_timestamp(const char *p, size_t n, int64_t *us, char *sep) {
    int64_t days, fraction = 0;
    if (n < 19 || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' || p[16] != ':') return false;
    if (!mp_parse_date(p, 10, &days)) return false;
    unsigned hour = two_digits(p + 11), minute = two_digits(p + 14), second = two_digits(p + 17);
    if (hour > 23 || minute > 59 || second > 59) return false;
    if (n > 19) {
        if (n < 21 || n > 26 || p[19] != '.') return false;
        int64_t unit = 100000;
        for (size_t i = 20; i < n; i++, unit /= 10) {
            unsigned digit = (unsigned)(unsigned char)p[i] - '0';
            if (digit > 9) return false;
            fraction += digit * unit;
        }
    }
    *us = days * MP_US_PER_DAY + (int64_t)(hour * 3600 + minute * 60 + second) * 1000000 + fraction;
    *sep = p[10];
    return true;
}

static char *put_two(char *out, int v) {
    out[0] = (char)('0' + v / 10);
    out[1] = (char)('0' + v % 10);
    return out + 2;
}

size_t mp_print_date(char *out, int64_t days) {
    char *p = out;
    int64_t year;
    int month, day;
    mp_civil_from_days(days, &year, &month, &day);
    if (year < 0) {
        *p++ = '-';
        year = -year;
    }
    if (year < 10000) {
        p = put_two(p, (int)(year / 100));
        p = put_two(p, (int)(year % 100));
    } else {
        p += mp_print_int64(p, year);
    }
    *p++ = '-';
    p = put_two(p, month);
    *p++ = '-';
    p = put_two(p, day);
    return (size_t)(p - out);
}

size_t mp_print_timestamp(char *out, int64_t us, char sep) {
    int64_t in_day = mp_timestamp_day_us(us);
    int seconds = (int)(in_day / 1000000), fraction = (int)(in_day % 1000000);
    char *p = out + mp_print_date(out, mp_timestamp_days(us));
    *p++ = sep ? sep : ' ';
    p = put_two(p, seconds / 3600);
    *p++ = ':';
    p = put_two(p, seconds / 60 % 60);
    *p++ = ':';
    p = put_two(p, seconds % 60);
    if (fraction) {
        *p++ = '.';
        p = put_two(p, fraction / 10000);
        p = put_two(p, fraction / 100 % 100);
        p = put_two(p, fraction % 100);
        while (p[-1] == '0')
            p--;
    }
    return (size_t)(p - out);
}
