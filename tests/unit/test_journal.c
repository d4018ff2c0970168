/* test_journal.c - the journal's lines, whole and torn; the words of a command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "op/unit_args.h"
#include "run/journal/journal.h"

enum { N = 20 };

static mp_unit_record record_of(int i) {
    return (mp_unit_record){.unit = i,
                            .run = 1 + i % 3,
                            .rank = i % 5,
                            .offset = (int64_t)i << 33,
                            .len = i * 1000,
                            .head_len = i,
                            .head_hash = (uint64_t)i * 0x9E3779B97F4A7C15u,
                            .outcome = i % 4,
                            .code = i * 7,
                            .tries = i,
                            .bad = i % 2,
                            .reject_len = i * 11,
                            .n_rejected = i % 6,
                            .start_ms = 1700000000000 + i,
                            .run_ns = (int64_t)i << 40};
}

static void on_record(void *ctx, const mp_unit_record *r) {
    int *n = ctx;
    mp_unit_record want = record_of(*n);
    assert_memory_equal(r, &want, sizeof want);
    ++*n;
}

static size_t line_start[N + 1];

static void fill(mp_buf *b) {
    mp_buf_init(b, NULL);
    mp_journal_put_run(b, 4, 40);
    for (int i = 0; i < N; i++) {
        mp_unit_record r = record_of(i);
        line_start[i] = b->len;
        mp_journal_put(b, &r);
    }
    line_start[N] = b->len;
    assert_false(b->failed);
}

static void whole(void **state) {
    (void)state;
    mp_buf b;
    mp_journal_end end;
    int n = 0;
    fill(&b);
    mp_journal_read((const char *)b.data, b.len, &n, on_record, &end);
    assert_int_equal(n, N);
    assert_int_equal(end.runs, 4);
    assert_int_equal(end.good, b.len);
    assert_int_equal(end.dict.number, 0);
    assert_int_equal(end.dict_good, 0);
    mp_buf_release(&b);
}

/* The last dictionary counts, and where it stands. */
static void dictionaries(void **state) {
    (void)state;
    mp_buf b;
    mp_journal_end end;
    int n = 0;
    mp_unit_record r = record_of(N);
    fill(&b);
    mp_journal_put_dict(&b, &(mp_journal_dict){1, 40, 7});
    mp_journal_put_dict(&b, &(mp_journal_dict){3, 41, (int64_t)1 << 40});
    size_t behind = b.len;
    mp_journal_put(&b, &r);
    mp_journal_read((const char *)b.data, b.len, &n, on_record, &end);
    assert_int_equal(n, N + 1);
    assert_int_equal(end.good, b.len);
    assert_int_equal(end.dict_good, behind);
    assert_int_equal(end.dict.number, 3);
    assert_int_equal(end.dict.n_ranks, 41);
    assert_true(end.dict.bytes == (int64_t)1 << 40);
    mp_journal_read((const char *)b.data, behind - 1, NULL, NULL, &end);
    assert_int_equal(end.dict.number, 1);
    assert_true(end.dict_good < behind);
    mp_buf_release(&b);
}

/* Cut at every byte: the whole lines before the cut count, and no more. */
static void torn(void **state) {
    (void)state;
    mp_buf b;
    fill(&b);
    for (size_t cut = 0; cut < b.len; cut++) {
        mp_journal_end end;
        int n = 0, want = 0;
        mp_journal_read((const char *)b.data, cut, &n, on_record, &end);
        while (want < N && line_start[want + 1] <= cut)
            want++;
        assert_int_equal(n, want);
        assert_int_equal(end.good, cut < line_start[0] ? 0 : line_start[want]);
    }
    mp_buf_release(&b);
}

/* Any one byte changed: nothing from its line on counts, and nothing wrong is read. */
static void changed(void **state) {
    (void)state;
    mp_buf b;
    fill(&b);
    for (size_t at = 0; at < b.len; at++) {
        mp_journal_end end;
        int n = 0, want = 0;
        uint8_t was = b.data[at];
        b.data[at] = (uint8_t)(was ^ 1);
        mp_journal_read((const char *)b.data, b.len, &n, on_record, &end);
        while (want < N && line_start[want + 1] <= at)
            want++;
        assert_int_equal(n, at < line_start[0] ? 0 : want);
        b.data[at] = was;
    }
    mp_buf_release(&b);
}

static void words_of(const mp_unit_command *c, const char *item, const char *const *want) {
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    const char **got = mp_unit_words(c, item, 12, &arena);
    assert_non_null(got);
    int i = 0;
    for (; want[i]; i++) {
        assert_non_null(got[i]);
        assert_string_equal(got[i], want[i]);
    }
    assert_null(got[i]);
    mp_arena_release(&arena);
}

static void words(void **state) {
    (void)state;
    const char *const a[] = {"x", "{}", "<{}{}>", "{#}.{}", "{", "}", ""};
    const char *const a_want[] = {"x", "i {}", "<i {}i {}>", "12.i {}", "{", "}", "", NULL};
    mp_unit_command c = {7, a, "{}", true};
    words_of(&c, "i {}", a_want);
    assert_true(mp_unit_has_place(&c));
    assert_false(mp_unit_first_has_place(&c));
    const char *const b[] = {"cmd", "{}"};
    const char *const b_want[] = {"cmd", "{}", "it", NULL}, *const kept[] = {"cmd", "{}", NULL};
    c = (mp_unit_command){2, b, "@", true};
    words_of(&c, "it", b_want);
    c.append = false;
    words_of(&c, "it", kept);
    const char *const d[] = {"a@b{#}@@"};
    const char *const d_want[] = {"aitb12itit", NULL};
    c = (mp_unit_command){1, d, "@", true};
    words_of(&c, "it", d_want);
    assert_true(mp_unit_first_has_place(&c));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(dictionaries),
                                       cmocka_unit_test(torn), cmocka_unit_test(changed),
                                       cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
