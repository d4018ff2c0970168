/* date.h - dates as days and timestamps as microseconds since 1970-01-01 00:00:00, proleptic
 * Gregorian calendar, no zones.
 * Invariant: what is read lies in the years 0001 to 9999 and names a day that exists; whatever is
 * printed from such a value reads back the same. Extraction is right for negative values (floor,
 * not truncation). */
#ifndef MP_DATA_DATE_H
#define MP_DATA_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { MP_DATE_TEXT_MAX = 48 }; /* bytes that a printed date or timestamp can take */
#define MP_US_PER_DAY ((int64_t)86400 * 1000000)

/* Days of a civil date; month 1..12, day as it comes (1 is the first). |year| < 10^9. */
int64_t mp_days_from_civil(int64_t year, int month, int day);
/* Any day; beyond +-10^12 days the end of that range is taken. */
void mp_civil_from_days(int64_t days, int64_t *year, int *month, int *day);
/* Days of the month, 28..31; month 1..12. */
int mp_days_in_month(int64_t year, int month);

/* YYYY-MM-DD and nothing else. false: not a date (*days untouched). */
bool mp_parse_date(const char *p, size_t n, int64_t *days);
/* YYYY-MM-DD[T ]HH:MM:SS[.f{1,6}] and nothing else; *sep is 'T' or ' '. false: not a timestamp
 * (outputs untouched). */
bool mp_parse_timestamp(const char *p, size_t n, int64_t *us, char *sep);

/* Return the bytes written, at most MP_DATE_TEXT_MAX, no NUL. Years below 0 get a minus. */
size_t mp_print_date(char *out, int64_t days);
/* sep: 'T' or ' ' (0: ' '). The fraction only where it is not zero, without trailing zeros. */
size_t mp_print_timestamp(char *out, int64_t us, char sep);

/* The day a timestamp lies in, and the microseconds since its midnight. */
static inline int64_t mp_timestamp_days(int64_t us) {
    return us / MP_US_PER_DAY - (us % MP_US_PER_DAY < 0);
}
static inline int64_t mp_timestamp_day_us(int64_t us) {
    int64_t r = us % MP_US_PER_DAY;
    return r < 0 ? r + MP_US_PER_DAY : r;
}
static inline int mp_timestamp_hour(int64_t us) {
    return (int)(mp_timestamp_day_us(us) / 3600000000);
}
int64_t mp_date_year(int64_t days);
int mp_date_month(int64_t days); /* 1..12 */
int mp_date_day(int64_t days);   /* 1..31 */

/* Formats as of strptime: %Y (4 digits) %y (69..99: 19xx, else 20xx) %m %d %e %j %H %I %p %M %S (1
 * or 2 digits, %j 1 to 3) %b %B (English, short or long, any case) %f (1 to 6 digits) %T %F %%;
 * every other character stands for itself. Month and day default to the first. */
/* MP_USAGE: an unknown directive, or no year. *has_time: the format gives timestamps, not dates. */
mp_status mp_date_format_check(const char *fmt, bool *has_time, mp_error *err);
/* The whole text must match. *us: microseconds (a date's are whole days). false: no match (*us
 * untouched). The format must have passed mp_date_format_check. */
bool mp_parse_date_format(const char *p, size_t n, const char *fmt, int64_t *us);

#endif
