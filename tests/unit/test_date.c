/* test_date.c - the calendar day by day over 10,000 years against an independent count; texts and
 * values from Python's datetime; every invalid form refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "data/date.h"

/* Counts the calendar one day at a time from 0001-01-01, 719162 days before the epoch (Python:
 * date.toordinal). */
static void every_day(void **state) {
    (void)state;
    int64_t year = 1, days = -719162;
    int month = 1, day = 1;
    for (; year < 10000; days++) {
        int64_t y;
        int m, d;
        mp_civil_from_days(days, &y, &m, &d);
        if (y != year || m != month || d != day || mp_days_from_civil(y, m, d) != days)
            fail_msg("day %ld: %ld-%d-%d", (long)days, (long)y, m, d);
        char text[MP_DATE_TEXT_MAX];
        int64_t back = 0;
        size_t n = mp_print_date(text, days);
        if (!mp_parse_date(text, n, &back) || back != days) fail_msg("day %ld", (long)days);
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int last = lengths[month - 1];
        if (month == 2 && (year % 400 == 0 || (year % 4 == 0 && year % 100 != 0))) last = 29;
        if (++day > last) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    assert_int_equal(days, 2932897); /* 10000-01-01 */
}

static void timestamps(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
        int year, month, day, hour;
    } v[] = {
        {"1900-10-18T04:23:58.12", -2183916961880000, 1900, 10, 18, 4},
        {"1600-10-01 15:16:35.000001", -11652367404999999, 1600, 10, 1, 15},
        {"2024-09-27 17:30:25.000001", 1727458225000001, 2024, 9, 27, 17},
        {"1700-09-13 23:00:42", -8498221158000000, 1700, 9, 13, 23},
        {"0001-05-25T00:52:55.5", -62123152024500000, 1, 5, 25, 0},
        {"2000-12-26T13:25:46.12", 977837146120000, 2000, 12, 26, 13},
        {"1700-06-04T01:08:31.000001", -8507026288999999, 1700, 6, 4, 1},
        {"2000-11-28T09:26:32.999999", 975403592999999, 2000, 11, 28, 9},
        {"9999-10-14 18:14:57.5", 253395540897500000, 9999, 10, 14, 18},
        {"1968-10-22 22:10:44.5", -37590555500000, 1968, 10, 22, 22},
        {"1900-11-27 18:17:18", -2180410962000000, 1900, 11, 27, 18},
        {"2024-11-16T02:22:51", 1731723771000000, 2024, 11, 16, 2},
        {"1700-01-10 13:49:26", -8519508634000000, 1700, 1, 10, 13},
        {"0001-07-23 18:21:35.5", -62117991504500000, 1, 7, 23, 18},
        {"0001-05-01 02:06:38.12", -62125221201880000, 1, 5, 1, 2},
        {"1900-07-10T19:16:09", -2192503431000000, 1900, 7, 10, 19},
        {"1970-06-05T12:24:29.12", 13436669120000, 1970, 6, 5, 12},
        {"9999-02-20T16:17:27.000001", 253375143447000001, 9999, 2, 20, 16},
        {"2000-05-17T09:35:21", 958556121000000, 2000, 5, 17, 9},
        {"1970-01-13 19:37:40.000001", 1107460000001, 1970, 1, 13, 19},
        {"1970-08-12T21:58:22.12", 19346302120000, 1970, 8, 12, 21},
        {"2024-01-19T01:43:01.5", 1705628581500000, 2024, 1, 19, 1},
        {"2024-05-19 19:20:11.5", 1716146411500000, 2024, 5, 19, 19},
        {"1970-06-28 19:16:19.999999", 15448579999999, 1970, 6, 28, 19},
        {"1969-12-31 23:59:59.999999", -1, 1969, 12, 31, 23},
        {"1970-01-01T00:00:00", 0, 1970, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        int64_t us = 0;
        char sep = 0, text[MP_DATE_TEXT_MAX];
        assert_true(mp_parse_timestamp(v[i].text, strlen(v[i].text), &us, &sep));
        assert_true(us == v[i].us);
        assert_int_equal(sep, v[i].text[10]);
        size_t n = mp_print_timestamp(text, us, sep);
        assert_int_equal(n, strlen(v[i].text));
        assert_memory_equal(text, v[i].text, n);
        int64_t days = mp_timestamp_days(us);
        assert_int_equal(mp_date_year(days), v[i].year);
        assert_int_equal(mp_date_month(days), v[i].month);
        assert_int_equal(mp_date_day(days), v[i].day);
        assert_int_equal(mp_timestamp_hour(us), v[i].hour);
        int64_t by_format = 0;
        const char *fmt = sep == 'T' ? "%Y-%m-%dT%T" : "%F %H:%M:%S";
        char full[40];
        memcpy(full, v[i].text, 19);
        assert_true(mp_parse_date_format(full, 19, fmt, &by_format));
        assert_int_equal(by_format, us - mp_timestamp_day_us(us) % 1000000);
    }
}

static void invalid(void **state) {
    (void)state;
    static const char *const text[] = {
        "",           "2024-02-30",  "2023-02-29", "1900-02-29", "2024-00-10", "2024-13-01",
        "2024-01-00", "2024-04-31",  "0000-01-01", "2024-1-01",  "2024-01-1",  "2024/01/01",
        " 024-01-01", "2024-01-01 ", "20a4-01-01", "2024-01-0:", "+024-01-01", "12024-01-01"};
    int64_t v = 7;
    char sep = 'x';
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        assert_false(mp_parse_date(text[i], strlen(text[i]), &v));
        assert_false(mp_parse_timestamp(text[i], strlen(text[i]), &v, &sep));
    }
    static const char *const stamp[] = {"2024-01-01",
                                        "2024-01-01 24:00:00",
                                        "2024-01-01 23:60:00",
                                        "2024-01-01 23:00:60",
                                        "2024-01-01 23:00",
                                        "2024-01-01  3:00:00",
                                        "2024-01-01t03:00:00",
                                        "2024-02-30T03:00:00",
                                        "2024-01-01 03:00:00.",
                                        "2024-01-01 03:00:00.1234567",
                                        "2024-01-01 03:00:00.12x",
                                        "2024-01-01 03:00:00,5",
                                        "2024-01-01 03:00:00Z",
                                        "2024-01-01 03-00-00"};
    for (size_t i = 0; i < sizeof stamp / sizeof *stamp; i++)
        assert_false(mp_parse_timestamp(stamp[i], strlen(stamp[i]), &v, &sep));
    assert_true(mp_parse_date("2000-02-29", 10, &v) && v == 11016);
    assert_int_equal(sep, 'x');
}

static void far_values(void **state) {
    (void)state;
    static const int64_t v[] = {INT64_MIN, INT64_MAX, INT64_MIN / 2, -719163, 2932897, 0};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char text[MP_DATE_TEXT_MAX];
        assert_in_range(mp_print_date(text, v[i]), 10, MP_DATE_TEXT_MAX);
        assert_in_range(mp_print_timestamp(text, v[i], 0), 19, MP_DATE_TEXT_MAX);
    }
    char text[MP_DATE_TEXT_MAX];
    assert_int_equal(mp_print_date(text, -719163), 10);
    assert_memory_equal(text, "0000-12-31", 10);
    assert_int_equal(mp_print_date(text, 2932897), 11);
    assert_memory_equal(text, "10000-01-01", 11);
}

static void formats(void **state) {
    (void)state;
    static const struct {
        const char *fmt, *text, *want; /* want NULL: no match */
    } v[] = {{"%d.%m.%Y", "31.12.1999", "1999-12-31 00:00:00"},
             {"%d.%m.%Y", "1.2.2003", "2003-02-01 00:00:00"},
             {"%d.%m.%Y", "31.02.2003", NULL},
             {"%d.%m.%Y", "31.12.1999 ", NULL},
             {"%d.%m.%Y", "31.12.199", NULL},
             {"%Y%m%d", "20240229", "2024-02-29 00:00:00"},
             {"%m/%d/%y %I:%M %p", "7/4/69 12:05 AM", "1969-07-04 00:05:00"},
             {"%m/%d/%y %I:%M %p", "7/4/68 1:05 pm", "2068-07-04 13:05:00"},
             {"%m/%d/%y %I:%M %p", "7/4/68 13:05 pm", NULL},
             {"%d %b %Y", "05 mar 2021", "2021-03-05 00:00:00"},
             {"%d %B %Y", "05 September 2021", "2021-09-05 00:00:00"},
             {"%d-%b-%y", "9-MAY-07", "2007-05-09 00:00:00"},
             {"%b%d%Y", "may052001", "2001-05-05 00:00:00"},
             {"%e.%m.%Y", " 5.01.2020", "2020-01-05 00:00:00"},
             {"%Y-%j", "2024-366", "2024-12-31 00:00:00"},
             {"%Y-%j", "2023-366", NULL},
             {"%Y-%j", "2023-000", NULL},
             {"%Y-%m", "2023-07", "2023-07-01 00:00:00"},
             {"%FT%T.%f", "2023-07-01T01:02:03.5", "2023-07-01 01:02:03.5"},
             {"%FT%T.%f", "2023-07-01T01:02:03.", NULL},
             {"%Y%%%m", "2023%07", "2023-07-01 00:00:00"},
             {"%Y", "0000", NULL},
             {"%Y", "", NULL},
             {"%H%Y", "242000", NULL}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        int64_t us = 77;
        bool has_time;
        assert_int_equal(mp_date_format_check(v[i].fmt, &has_time, NULL), MP_OK);
        bool ok = mp_parse_date_format(v[i].text, strlen(v[i].text), v[i].fmt, &us);
        if (ok != (v[i].want != NULL)) fail_msg("'%s' by '%s'", v[i].text, v[i].fmt);
        if (!ok) {
            assert_int_equal(us, 77);
            continue;
        }
        char text[MP_DATE_TEXT_MAX];
        size_t n = mp_print_timestamp(text, us, ' ');
        assert_int_equal(n, strlen(v[i].want));
        assert_memory_equal(text, v[i].want, n);
    }
}

static void format_check(void **state) {
    (void)state;
    bool has_time = true;
    assert_int_equal(mp_date_format_check("%d/%m/%Y", &has_time, NULL), MP_OK);
    assert_false(has_time);
    assert_int_equal(mp_date_format_check("%Y %H", &has_time, NULL), MP_OK);
    assert_true(has_time);
    mp_error e = MP_ERROR_INIT;
    assert_int_equal(mp_date_format_check("%Y %Q", &has_time, &e), MP_USAGE);
    assert_string_equal(e.why, "unknown directive '%Q' in date format '%Y %Q'");
    mp_error_init(&e);
    assert_int_equal(mp_date_format_check("%Y %", &has_time, &e), MP_USAGE);
    mp_error_init(&e);
    assert_int_equal(mp_date_format_check("%d.%m.", &has_time, &e), MP_USAGE);
    assert_string_equal(e.why, "date format '%d.%m.' has no year");
    assert_int_equal(mp_date_format_check("", &has_time, NULL), MP_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day),  cmocka_unit_test(timestamps), cmocka_unit_test(invalid),
        cmocka_unit_test(far_values), cmocka_unit_test(formats),    cmocka_unit_test(format_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
