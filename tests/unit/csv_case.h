/* csv_case.h - what the CSV tests share: texts with unreadable memory around them, random texts,
 * and a plain state machine and parser, written without regard to the program's, as the oracle. */
#ifndef CSV_CASE_H
#define CSV_CASE_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/csv/csv.h"

/* ---- a text with 64 readable bytes behind it (at_end) or before it, then a faulting page ---- */

typedef struct {
    uint8_t *text;
    size_t len;
    void *area;
    size_t area_len;
} guarded;

static inline guarded guard_text(const void *text, size_t len, bool at_end) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t middle = (len + 128 + page - 1) / page * page;
    guarded g = {.len = len, .area_len = middle + 2 * page};
    g.area = mmap(NULL, g.area_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.area == MAP_FAILED) abort();
    uint8_t *p = (uint8_t *)g.area + page;
    if (mprotect(p, middle, PROT_READ | PROT_WRITE)) abort();
    memset(p, '"', middle); /* what stands around the text must not matter */
    g.text = at_end ? p + middle - 64 - len : p + 64;
    if (len) memcpy(g.text, text, len);
    return g;
}

static inline void guard_free(guarded *g) {
    munmap(g->area, g->area_len);
}

/* ---- random ---- */

static inline uint32_t rnd(uint64_t *s, uint32_t n) {
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*s >> 33) % n;
}

static inline void rnd_text(uint64_t *s, const char *alphabet, uint8_t *out, size_t n) {
    uint32_t k = (uint32_t)strlen(alphabet);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)alphabet[rnd(s, k)];
}

/* ---- the state machine: a row for each state; other, delimiter, quote, newline, comment ---- */

static inline mp_csv_state oracle_state(const mp_csv_dialect *d, const uint8_t *p, size_t n,
                                        mp_csv_state s) {
    enum { R = MP_CSV_RECORD_START, F = MP_CSV_FIELD_START, U = MP_CSV_IN_FIELD };
    enum { Q = MP_CSV_IN_QUOTES, A = MP_CSV_AFTER_QUOTE, C = MP_CSV_IN_COMMENT };
    static const uint8_t table[MP_CSV_STATES][5] = {
        [R] = {U, F, Q, R, C}, [F] = {U, F, Q, R, U}, [U] = {U, F, U, R, U},
        [Q] = {Q, Q, A, Q, Q}, [A] = {U, F, Q, R, U}, [C] = {C, C, C, R, C},
    };
    for (size_t i = 0; i < n; i++) {
        int c = p[i], k = 0;
        if (c == (uint8_t)d->delimiter) k = 1;
        if (d->comment && c == (uint8_t)d->comment) k = 4;
        if (d->quote && c == (uint8_t)d->quote) k = 2;
        if (c == '\n') k = 3;
        s = (mp_csv_state)table[s][k];
    }
    return s;
}

#define NASTY                                                                                      \
    "a,b,c\n1,2,3\r\n\"x\",\"y,y\",\"z\nz\"\n\n\r\n# a \"comment, it\n\"\",,\"\"\"\"\n5\" "        \
    "pipe,a\"b,\"c\"\r\n"                                                                          \
    "#,\"x\n\"a\r\nb\",\"#\",\"\"\"q\"\"\"\n,,\n\"long field with \"\"many\"\" \"\"quotes\"\" "    \
    "and\nlines\n"                                                                                 \
    "\n# no comment\n,\",1,2\nx\r,\r,y\r\n,\"\",\"\"\r\n\"\r\n\",\"\n\",\"\n\n\"\n  \"p\", \"q\" " \
    ",r\n"                                                                                         \
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789,\"0\",1\n"

#endif
