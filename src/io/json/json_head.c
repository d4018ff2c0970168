/* json_head.c - the head of an NDJSON file: its keys, and a first idea of their types.
 * Invariant: as csv_head.c, of which the encoding and the lines to skip are. */
#include "io/csv/csv_value.h"
#include "io/json/json.h"
#include "io/json/json_keys.h"
#include "io/json/json_run.h"

typedef struct {
    mp_csv_dialect dialect; /* of the transcript, which says what values are */
    mp_arena *arena;
    mp_json_keys keys;
    mp_buf text; /* an unescaped string */
    mp_evidence *seen;
    int cap; /* of seen */
    int64_t lines, objects, bytes;
} sample;

static mp_str text_of(sample *s, const mp_json_value *v) {
    if (v->kind != MP_JSON_STRING || !v->escaped) return mp_str_of((const char *)v->p, v->len);
    mp_buf_clear(&s->text);
    if (!mp_buf_reserve(&s->text, v->len)) return mp_str_of("", 0);
    return mp_str_of((char *)s->text.data, mp_json_unescape(v->p, v->len, (char *)s->text.data));
}

static bool grow_seen(sample *s) {
    if (s->keys.n <= s->cap) return true;
    int cap = s->cap ? 2 * s->cap : 64;
    mp_evidence *seen = mp_arena_alloc(s->arena, (size_t)cap * sizeof *seen, 16);
    if (!seen) return false;
    memset(seen, 0, (size_t)cap * sizeof *seen);
    if (s->cap) memcpy(seen, s->seen, (size_t)s->cap * sizeof *seen);
    s->seen = seen;
    s->cap = cap;
    return true;
}

static bool note_member(sample *s, const mp_json_value *key, const mp_json_value *value) {
    int c = mp_json_keys_add(&s->keys, text_of(s, key));
    if (c < 0 || !grow_seen(s)) return false;
    if (value->kind == MP_JSON_NULL || s->seen[c].seen & MP_SEEN_STRING) return true;
    mp_value v;
    mp_csv_value_of(&s->dialect, text_of(s, value), value->kind != MP_JSON_WORD, false, &v);
    mp_evidence_add(&s->seen[c], v.e);
    return true;
}

/* false: out of memory. */
static bool note_line(sample *s, const uint8_t *p, size_t n) {
    mp_json_members m;
    mp_json_value key, value;
    bool some = mp_json_open(&m, p, n);
    s->lines += some || m.flaw != NULL;
    if (!some) return true;
    /* a line that turns out to be flawed gives no columns */
    while (mp_json_member(&m, &key, &value)) {
    }
    if (m.flaw) return true;
    s->objects++;
    s->bytes += (int64_t)n + 1;
    mp_json_open(&m, p, n);
    bool ok = true;
    while (ok && mp_json_member(&m, &key, &value))
        ok = note_member(s, &key, &value);
    return ok && !s->text.failed;
}

static mp_status no_keys(const uint8_t *p, size_t n, mp_error *err) {
    while (n && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++, n--;
    if (!n) return mp_error_set(err, MP_DATA, NULL, "the file has only blank lines");
    mp_error_set(err, MP_DATA, NULL, "none of its first lines is a JSON object with a key");
    mp_error_hint(err, *p == '['   ? "one object a line is read: jq -c '.[]' makes them of an array"
                       : *p == '{' ? "one object a line is read: jq -c . makes them"
                                   : "--input-format says another format: csv, tsv or lines");
    return MP_DATA;
}

mp_status mp_json_read_head(const mp_csv_head_args *args, const uint8_t *p, size_t n, bool at_eof,
                            mp_arena *arena, mp_csv_head *out, bool *need_more, mp_error *err) {
    *out = (mp_csv_head){.delimiter = '\n'};
    size_t start;
    mp_status st = mp_csv_text_start(args, p, n, at_eof, &start, need_more, err);
    if (st || *need_more) return st;
    if (start == n && at_eof && !args->skip_lines)
        return mp_error_set(err, MP_DATA, NULL, "the file is empty");
    sample s = {.dialect = mp_json_dialect(&args->dialect), .arena = arena};
    mp_json_keys_init(&s.keys, arena);
    mp_buf_init(&s.text, arena->mem);
    bool ok = true;
    for (size_t at = start; ok && at < n;) {
        const uint8_t *lf = memchr(p + at, '\n', n - at);
        if (!lf && !at_eof) break;
        size_t len = lf ? (size_t)(lf - p) - at : n - at;
        if (len < UINT32_MAX) ok = note_line(&s, p + at, len);
        at += len + 1;
    }
    mp_buf_release(&s.text);
    if (!ok) return mp_mem_error(arena->mem, (size_t)s.keys.n * 32, err);
    *need_more = s.lines == 0 && !at_eof;
    if (*need_more) return MP_OK;
    if (s.keys.n == 0) return no_keys(p + start, n - start, err);
    out->n_columns = s.keys.n;
    out->names = s.keys.names;
    out->seen = s.seen;
    out->data_offset = (int64_t)start;
    out->row_bytes = s.objects ? (double)s.bytes / (double)s.objects : 0;
    out->sample_is_all = at_eof;
    return MP_OK;
}
