/* map_dict_in.c - --dict-in: pairs of a file into the dictionary, by rank 0.
 * Invariant: whole records are looked at, in pieces of the file; a record that is no pair ends the reading with its
 * number. */
#include <poll.h>
#include <stdio.h>

#include "data/parse_num.h"
#include "io/csv/csv_record.h"
#include "io/csv/csv_value.h"
#include "io/json/json_line.h"
#include "run/map/map_dict.h"
#include "run/query/query_run.h"

enum { READ_BYTES = 256 * 1024, COLUMNS_MOST = 64, PUTS_PER_ROUND = 64, LATER_MS = 5 };

typedef struct {
    mp_map_job *j;
    mp_dict *d;
    bool json, headed;
    mp_csv_dialect dialect;
    int n_columns, key_at, value_at;
    int64_t row;
    mp_buf text, key, value;
    mp_error *err;
} reading;

static mp_status bad(reading *r, const char *why) {
    mp_error_set(r->err, MP_DATA, "bad data", "%s", why);
    mp_error_file(r->err, r->j->map->dict_in);
    if (r->err) r->err->row = r->row;
    return MP_DATA;
}

/* ---- into the dictionary ---- */

static bool has_room(void *ctx) {
    return !mp_dict_full(ctx);
}

static mp_status progress(reading *r) {
    bool due = r->row % PUTS_PER_ROUND == 0;
    if (!due && !mp_dict_full(r->d)) return MP_OK;
    mp_status st = due ? mp_comm_progress(r->j->c, NULL, r->err) : MP_OK;
    if (st == MP_OK && mp_dict_full(r->d))
        st = mp_comm_wait(r->j->c, has_room, r->d, "room in the dictionary", r->err);
    return st == MP_OK ? mp_dict_lost(r->d, r->err) : st;
}

static mp_status not_open(reading *r) {
    return mp_mem_error(&r->j->dict->mem, READ_BYTES, r->err);
}

static mp_status put(reading *r, const mp_dict_value *v) {
    mp_buf *b = mp_dict_open(r->d, MP_DICT_PUT, 0, r->key.data, r->key.len);
    if (!b) return not_open(r);
    mp_dict_put_value(b, v);
    return mp_dict_close(r->d, NULL, NULL, 0, r->err);
}

static mp_status put_text(reading *r) {
    mp_dict_value v = {.type = MP_DICT_BYTES, .bytes = {r->value.data, r->value.len}};
    return put(r, &v);
}

/* ---- CSV ---- */

static void field(const uint8_t *p, const uint32_t *end, int i, mp_buf *out) {
    size_t from = i ? (size_t)end[i - 1] + 1 : 0, n = end[i] - from;
    mp_buf_clear(out);
    if (!mp_buf_reserve(out, n + 1)) return;
    if (n >= 2 && p[from] == '"')
        out->len =
            mp_csv_unquote('"', mp_str_of((const char *)p + from + 1, n - 2), (char *)out->data);
    else
        mp_buf_put(out, p + from, n);
}

static bool is_word(const mp_buf *b, const char *word) {
    return b->len == strlen(word) && memcmp(b->data, word, b->len) == 0;
}

static mp_status take_header(reading *r, const uint8_t *p, const uint32_t *end) {
    r->key_at = r->value_at = -1;
    for (int i = 0; i < r->n_columns; i++) {
        field(p, end, i, &r->key);
        if (is_word(&r->key, "key")) r->key_at = i;
        if (is_word(&r->key, "value")) r->value_at = i;
    }
    r->headed = true;
    if (r->key_at >= 0 && r->value_at >= 0) return MP_OK;
    return bad(r, "there are no columns 'key' and 'value'");
}

/* The record at p; *used 0: it is not whole yet. */
static mp_status take_csv(reading *r, const uint8_t *p, size_t n, bool at_eof, size_t *used) {
    uint32_t end[COLUMNS_MOST];
    uint8_t dirty[COLUMNS_MOST];
    mp_csv_line line;
    int room = r->headed ? r->n_columns : COLUMNS_MOST;
    if (n > UINT32_MAX) return bad(r, "a record of more than 4 GiB");
    mp_csv_line_parse(&r->dialect, p, n, at_eof, room, 0, end, dirty, &line);
    *used = 0;
    if (line.kind == MP_CSV_LINE_CUT) return MP_OK;
    if (line.kind == MP_CSV_LINE_OPEN) return bad(r, "a quote is never closed");
    *used = line.next;
    if (line.kind != MP_CSV_LINE_DATA) return MP_OK;
    if (!r->headed) {
        if (line.n_fields > COLUMNS_MOST) return bad(r, "too many columns");
        r->n_columns = (int)line.n_fields;
        return take_header(r, p, end);
    }
    r->row++;
    if (line.n_fields != r->n_columns) return bad(r, "another number of fields than the header");
    if (line.dirty >= 0) return bad(r, "text behind a closing quote");
    field(p, end, r->key_at, &r->key);
    field(p, end, r->value_at, &r->value);
    mp_status st = mp_buf_check(&r->key, r->err);
    if (st == MP_OK) st = mp_buf_check(&r->value, r->err);
    return st == MP_OK ? put_text(r) : st;
}

/* ---- NDJSON ---- */

static bool take_string(const uint8_t *p, size_t n, mp_buf *out) {
    mp_buf_clear(out);
    if (!mp_buf_reserve(out, n + 1)) return false;
    out->len = mp_json_unescape(p, n, (char *)out->data);
    return true;
}

/* A number, or true and false as texts. */
static mp_dict_value word_value(const mp_json_value *v) {
    mp_dict_value out = {.type = MP_DICT_INT};
    if (mp_parse_int64((const char *)v->p, v->len, &out.i)) return out;
    out.type = MP_DICT_FLOAT;
    if (mp_parse_double((const char *)v->p, v->len, &out.f)) return out;
    return (mp_dict_value){.type = MP_DICT_BYTES, .bytes = {v->p, v->len}};
}

/* An object of texts and numbers becomes a hash. */
static mp_status put_hash(reading *r, const mp_json_value *v) {
    mp_json_members m = {0};
    mp_json_value name, inner;
    mp_status st = MP_OK;
    if (!mp_json_open(&m, v->p, v->len)) return bad(r, "no JSON object");
    while (st == MP_OK && mp_json_member(&m, &name, &inner)) {
        if (inner.kind != MP_JSON_STRING && inner.kind != MP_JSON_WORD)
            return bad(r, "a hash holds texts and numbers");
        if (!take_string(name.p, name.len, &r->value)) return not_open(r);
        mp_buf *b = mp_dict_open(r->d, MP_DICT_HSET, 0, r->key.data, r->key.len);
        if (!b) return not_open(r);
        mp_buf_u32(b, 1);
        mp_buf_bytes(b, r->value.data, r->value.len);
        mp_dict_value out = {.type = MP_DICT_BYTES};
        if (inner.kind == MP_JSON_WORD) {
            out = word_value(&inner);
        } else {
            if (!take_string(inner.p, inner.len, &r->value)) b->failed = true;
            out.bytes.p = r->value.data;
            out.bytes.n = r->value.len;
        }
        mp_dict_put_value(b, &out);
        st = mp_dict_close(r->d, NULL, NULL, 0, r->err);
    }
    return st == MP_OK && m.flaw ? bad(r, m.flaw) : st;
}

/* An array of texts becomes a set. The line was found to be JSON. */
static mp_status put_set(reading *r, const mp_json_value *v) {
    mp_status st = MP_OK;
    for (size_t i = 1; i + 1 < v->len && st == MP_OK; i++) {
        uint8_t ch = v->p[i];
        if (ch == ',' || ch == ' ' || ch == '\t') continue;
        size_t from = i + 1;
        if (ch != '"') return bad(r, "a set holds texts");
        for (i = from; i < v->len && v->p[i] != '"'; i++)
            if (v->p[i] == '\\') i++;
        if (i >= v->len) return bad(r, "a set holds texts");
        if (!take_string(v->p + from, i - from, &r->value)) return not_open(r);
        mp_buf *b = mp_dict_open(r->d, MP_DICT_SADD, 0, r->key.data, r->key.len);
        if (!b) return not_open(r);
        mp_buf_u32(b, 1);
        mp_buf_bytes(b, r->value.data, r->value.len);
        st = mp_dict_close(r->d, NULL, NULL, 0, r->err);
    }
    return st;
}

static bool is_name(const mp_json_value *v, const char *word) {
    return v->len == strlen(word) && memcmp(v->p, word, v->len) == 0;
}

static mp_status take_json(reading *r, const uint8_t *p, size_t n) {
    mp_json_members m = {0};
    mp_json_value name, member, key = {0}, value = {0};
    r->row++;
    if (n > 0 && p[n - 1] == '\r') n--;
    if (!mp_json_open(&m, p, n)) return m.flaw ? bad(r, m.flaw) : MP_OK;
    while (mp_json_member(&m, &name, &member)) {
        if (is_name(&name, "key")) key = member;
        if (is_name(&name, "value")) value = member;
    }
    if (m.flaw) return bad(r, m.flaw);
    if (key.kind != MP_JSON_STRING || value.kind == MP_JSON_NONE || value.kind == MP_JSON_NULL)
        return bad(r, "an object with a text 'key' and a 'value' is wanted");
    if (!take_string(key.p, key.len, &r->key)) return not_open(r);
    if (value.kind == MP_JSON_WORD) {
        mp_dict_value v = word_value(&value);
        return put(r, &v);
    }
    if (value.kind == MP_JSON_NESTED)
        return value.p[0] == '{' ? put_hash(r, &value) : put_set(r, &value);
    return take_string(value.p, value.len, &r->value) ? put_text(r) : not_open(r);
}

/* ---- the file ---- */

static mp_status take_records(reading *r, bool at_eof) {
    size_t at = 0, used = 1;
    mp_status st = MP_OK;
    while (st == MP_OK && at < r->text.len && used > 0) {
        const uint8_t *p = r->text.data + at;
        size_t n = r->text.len - at;
        if (r->json) {
            const uint8_t *end = memchr(p, '\n', n);
            size_t len = end ? (size_t)(end - p) : n;
            used = end ? len + 1 : at_eof ? len : 0;
            if (used > 0) st = take_json(r, p, len);
        } else {
            st = take_csv(r, p, n, at_eof, &used);
        }
        if (st == MP_OK) st = progress(r);
        at += used;
    }
    memmove(r->text.data, r->text.data + at, r->text.len - at);
    r->text.len -= at;
    return st;
}

static void skip_mark(mp_buf *b) {
    if (b->len < 3 || memcmp(b->data, "\xEF\xBB\xBF", 3) != 0) return;
    memmove(b->data, b->data + 3, b->len - 3);
    b->len -= 3;
}

static mp_status read_all(reading *r, mp_stream *in) {
    bool first = true, end = false;
    mp_status st = MP_OK;
    while (st == MP_OK && !end) {
        size_t n = 0;
        bool later = false;
        if (!mp_buf_reserve(&r->text, READ_BYTES)) return mp_buf_check(&r->text, r->err);
        st = mp_stream_read(in, r->text.data + r->text.len, READ_BYTES, &n, &later, &end, r->err);
        if (st != MP_OK) break;
        r->text.len += n;
        if (first && n > 0) {
            skip_mark(&r->text);
            first = false;
        }
        if (later) {
            struct pollfd p = {.fd = mp_stream_fd(in), .events = POLLIN};
            poll(&p, p.fd >= 0, LATER_MS);
            st = mp_comm_progress(r->j->c, NULL, r->err); /* the others wait */
        } else {
            st = take_records(r, end);
        }
    }
    if (st == MP_OK && !r->json && !r->headed)
        st = bad(r, "there are no columns 'key' and 'value'");
    return st;
}

/* Rank 0. file: CSV, TSV or NDJSON by the name of what --dict-in says, perhaps packed. */
static mp_status read_text(mp_map_job *j, const char *file, mp_text_format format, mp_error *err) {
    reading r = {.j = j, .d = j->dict->dict, .err = err};
    mp_input *input;
    mp_stream *in = NULL;
    int n;
    r.json = format == MP_FORMAT_NDJSON;
    r.dialect = (mp_csv_dialect){.delimiter = format == MP_FORMAT_TSV ? '\t' : ',', .quote = '"'};
    mp_buf_init(&r.text, &j->dict->mem);
    mp_buf_init(&r.key, &j->dict->mem);
    mp_buf_init(&r.value, &j->dict->mem);
    mp_status st = mp_input_list(&file, 1, &j->arena, &input, &n, err);
    if (st == MP_OK && n != 1) {
        mp_error_set(err, MP_USAGE, NULL, "--dict-in is one file");
        st = MP_USAGE;
    }
    if (st == MP_OK) st = mp_stream_open(&input[0], &in, err);
    if (st == MP_OK) st = read_all(&r, in);
    mp_stream_close(&in);
    mp_buf_release(&r.text);
    mp_buf_release(&r.key);
    mp_buf_release(&r.value);
    return st;
}

/* The pairs of an HDF5 file as CSV in the run's folder. Collective. */
static mp_status convert(mp_map_job *j, const char *to, mp_error *err) {
    const char *paths[] = {j->map->dict_in};
    mp_spec spec = {.run = j->spec->run};
    mp_buf text;
    mp_report report;
    spec.run.stats = NULL;
    spec.input.n_paths = 1;
    spec.input.paths = paths;
    spec.input.quote = '"';
    spec.query.select = "key,value";
    spec.query.limit_rows = -1;
    spec.output.path = to;
    spec.output.format = -1;
    mp_buf_init(&text, j->mem);
    mp_report_init(&report);
    mp_status st = mp_query_run(j->c, &spec, j->mem, &text, &report, err);
    mp_report_release(&report);
    mp_buf_release(&text);
    return st;
}

bool mp_map_dict_is_h5(const mp_map_job *j) {
    mp_text_format format;
    const char *file = j->map->dict_in;
    return file && mp_text_format_of(file, &format) && format == MP_FORMAT_H5;
}

mp_status mp_map_dict_read(mp_map_job *j, mp_error *err) {
    const char *file = j->map->dict_in;
    mp_text_format format = MP_FORMAT_CSV;
    mp_error mine = MP_ERROR_INIT;
    (void)mp_text_format_of(file, &format);
    if (mp_map_dict_is_h5(j)) {
        size_t n = strlen(j->folder) + sizeof "/input-dict.csv";
        char *path = mp_arena_alloc(&j->arena, n, 1);
        mp_status st = path ? MP_OK : mp_mem_error(j->mem, n, &mine);
        if (path) snprintf(path, n, "%s/input-dict.csv", j->folder);
        st = mp_comm_agree_on(j->c, st, &mine, err);
        if (st == MP_OK) st = convert(j, path, err);
        if (st != MP_OK) return st;
        file = path;
    }
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0) st = read_text(j, file, format, &mine);
    mp_status quiet = mp_dict_quiet(j->dict->dict, st == MP_OK ? &mine : NULL);
    if (st == MP_OK) st = quiet;
    if (st == MP_OK) st = mp_dict_lost(j->dict->dict, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}
