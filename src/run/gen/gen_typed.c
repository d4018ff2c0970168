/* gen_typed.c - see gen_typed.h. */
#include "run/gen/gen_typed.h"

#include <string.h>

enum { PAD = 64 /* readable around a text */ };

static mp_type type_of(char letter) {
    switch (letter) {
    case 'i':
        return MP_INT64;
    case 'f':
        return MP_FLOAT64;
    case 'd':
        return MP_DATE;
    case 'b':
        return MP_BOOL;
    default:
        return MP_STRING;
    }
}

/* The header's names, cut apart. */
static mp_status list_columns(mp_gen_typed *g, const mp_gen_table *t, bool texts, mp_error *err) {
    size_t n = strlen(t->types), bytes = strlen(t->header) + 1;
    char *at = mp_arena_alloc(&g->arena, bytes, 1);
    g->names = mp_arena_alloc(&g->arena, n * sizeof *g->names, 8);
    g->types = mp_arena_alloc(&g->arena, n * sizeof *g->types, 8);
    g->wanted = mp_arena_alloc(&g->arena, n * sizeof *g->wanted, 8);
    if (!at || !g->names || !g->types || !g->wanted) return mp_mem_error(g->mem, bytes, err);
    memcpy(at, t->header, bytes);
    g->n_cols = (int)n;
    for (int c = 0; c < g->n_cols; c++) {
        size_t len = strcspn(at, ",\n");
        at[len] = 0;
        g->names[c] = at;
        g->types[c] = texts ? MP_STRING : type_of(t->types[c]);
        g->wanted[c] = (mp_csv_column){.c = c,
                                       .use = texts ? MP_CSV_TEXT : MP_CSV_TYPED,
                                       .type = g->types[c],
                                       .fixed = !texts,
                                       .after_filter = true,
                                       .name = at};
        at += len + 1;
    }
    return MP_OK;
}

mp_status mp_gen_typed_init(mp_gen_typed *g, const mp_gen_table *t, bool texts, mp_mem *mem,
                            mp_error *err) {
    g->mem = mem;
    g->dialect = (mp_csv_dialect){.delimiter = ',', .quote = '"'};
    mp_arena_init(&g->arena, mem);
    mp_buf_init(&g->text, mem);
    mp_status st = list_columns(g, t, texts, err);
    mp_csv_args args = {.dialect = &g->dialect,
                        .n_columns = g->n_cols,
                        .n_wanted = g->n_cols,
                        .wanted = g->wanted,
                        .mem = mem};
    return st ? st : mp_csv_reader_new(&args, &g->reader, err);
}

void mp_gen_typed_release(mp_gen_typed *g) {
    if (!g->mem) return;
    mp_csv_reader_free(&g->reader);
    mp_buf_release(&g->text);
    mp_arena_release(&g->arena);
}

static mp_status make_text(mp_gen_typed *g, const mp_gen_table *t, uint64_t from, uint64_t end,
                           mp_error *err) {
    mp_buf_clear(&g->text);
    if (!mp_buf_reserve(&g->text, (end - from) * MP_GEN_ROW_MAX + 2 * PAD))
        return mp_buf_check(&g->text, err);
    memset(g->text.data, 0, PAD);
    char *at = (char *)g->text.data + PAD;
    for (uint64_t row = from; row < end; row++)
        at = t->row(t, row, at);
    memset(at, 0, PAD);
    g->text.len = (size_t)(at - (char *)g->text.data) - PAD;
    return MP_OK;
}

mp_status mp_gen_typed_rows(mp_gen_typed *g, const mp_gen_table *t, uint64_t from, uint64_t end,
                            const mp_answer *answer, mp_buf *out, mp_error *err) {
    mp_status st = make_text(g, t, from, end, err);
    mp_csv_text text = {.bytes = g->text.data + PAD,
                        .len = g->text.len,
                        .split_len = g->text.len,
                        .at_eof = true,
                        .entry = MP_CSV_RECORD_START};
    bool more = true, need = false;
    if (!st) st = mp_csv_reader_begin(g->reader, &text, err);
    while (!st && more) {
        mp_batch batch;
        st = mp_csv_reader_next(g->reader, &batch, &more, &need, err);
        if (!st && more) mp_answer_format_rows(answer, &batch, out, NULL);
        if (!st) st = mp_buf_check(out, err);
    }
    return st;
}
