/* output_table.c - an aligned table for people to look at.
 * Invariant: a line is never wider than asked for, and nothing that a value has can move the cursor
 * or change the terminal: control characters and bytes that are not UTF-8 are shown escaped. */
#include "data/date.h"
#include "data/print_num.h"
#include "io/output/output.h"
#include "io/output/output_utf8.h"

enum { GAP = 2, NARROWEST = 8, CELL_BYTES = 4096, ELLIPSIS_BYTES = 3 };
static const char ELLIPSIS[] = "\xE2\x80\xA6";

typedef struct {
    const char *name;
    bool to_right; /* only numbers so far, and at least one column of them */
    bool seen;
    int width; /* cells of the widest value or the name */
} column;

struct mp_text_table {
    mp_mem *mem;
    int n_cols;
    int64_t n_rows;
    column *cols;
    mp_buf cells;  /* text of all cells, row by row, printable */
    mp_buf places; /* u64 end of each cell in cells, then u64 cells of width */
};

static bool is_plain(int32_t code) {
    return code >= 0x20 && code != 0x7F && !(code >= 0x80 && code < 0xA0) && code != 0x2028 &&
           code != 0x2029 && !(code >= 0x202A && code <= 0x202E) &&
           !(code >= 0x2066 && code <= 0x2069);
}

/* Appends the text as it can be shown; returns its width. A text that is longer than any screen is
 * cut here. */
static int put_shown(mp_buf *out, const char *text, size_t n) {
    static const char hex[] = "0123456789abcdef";
    const uint8_t *p = (const uint8_t *)text;
    int width = 0;
    if (n > CELL_BYTES) n = CELL_BYTES;
    for (size_t i = 0; i < n;) {
        int32_t code;
        size_t len = mp_utf8_next(p + i, n - i, &code);
        if (code != MP_UTF8_BAD && is_plain(code)) {
            mp_buf_put(out, p + i, len);
            width += mp_utf8_width(code);
        } else if (code == '\n' || code == '\r' || code == '\t') {
            mp_buf_u8(out, '\\');
            mp_buf_u8(out, code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
            width += 2;
        } else {
            for (size_t k = 0; k < len; k++) {
                char shown[4] = {'\\', 'x', hex[p[i + k] >> 4], hex[p[i + k] & 15]};
                mp_buf_put(out, shown, sizeof shown);
                width += 4;
            }
        }
        i += len;
    }
    return width;
}

static int put_cell(mp_buf *out, const mp_col *c, int64_t i) {
    char text[MP_NUM_MAX > 48 ? MP_NUM_MAX : 48];
    size_t n = 0;
    if (mp_col_is_null(c, i)) return 0;
    switch (c->type) {
    case MP_BOOL:
        return put_shown(out, c->b[i] ? "true" : "false", c->b[i] ? 4 : 5);
    case MP_INT64:
        n = mp_print_int64(text, c->i64[i]);
        break;
    case MP_DECIMAL:
        n = mp_print_decimal(text, c->i64[i], c->scale);
        break;
    case MP_FLOAT64:
        n = mp_print_double(text, c->f64[i]);
        break;
    case MP_DATE:
        n = mp_print_date(text, c->i64[i]);
        break;
    case MP_TIMESTAMP:
        n = mp_print_timestamp(text, c->i64[i], (char)c->ts_sep);
        break;
    case MP_STRING:
        return put_shown(out, c->str[i].p, c->str[i].len);
    default:
        return 0;
    }
    return put_shown(out, text, n);
}
_Static_assert((int)MP_DATE_TEXT_MAX <= 48, "a printed timestamp fits");

mp_status mp_table_new(const char *const *names, int n_cols, mp_mem *mem, mp_text_table **out,
                       mp_error *err) {
    mp_text_table *t = mp_mem_calloc(mem, 1, sizeof *t);
    if (!t) return mp_mem_error(mem, sizeof *t, err);
    t->mem = mem;
    t->n_cols = n_cols;
    mp_buf_init(&t->cells, mem);
    mp_buf_init(&t->places, mem);
    t->cols = mp_mem_calloc(mem, (size_t)n_cols, sizeof *t->cols);
    mp_status s = t->cols ? MP_OK : mp_mem_error(mem, (size_t)n_cols * sizeof *t->cols, err);
    for (int c = 0; s == MP_OK && c < n_cols; c++) {
        int width = put_shown(&t->cells, names[c], strlen(names[c]));
        t->cols[c] = (column){.name = names[c], .width = width, .to_right = true};
        mp_buf_u64(&t->places, t->cells.len);
        mp_buf_u64(&t->places, (uint64_t)width);
    }
    if (s == MP_OK) s = mp_buf_check(&t->cells, err);
    if (s == MP_OK) s = mp_buf_check(&t->places, err);
    if (s != MP_OK)
        mp_table_free(&t);
    else
        *out = t;
    return s;
}

void mp_table_free(mp_text_table **t) {
    if (!*t) return;
    mp_buf_release(&(*t)->cells);
    mp_buf_release(&(*t)->places);
    mp_mem_free((*t)->mem, (*t)->cols);
    mp_mem_free((*t)->mem, *t);
    *t = NULL;
}

mp_status mp_table_add(mp_text_table *t, const mp_batch *in, mp_error *err) {
    for (int c = 0; c < t->n_cols; c++) {
        if (in->cols[c].type == MP_NULL) continue;
        if (!mp_type_is_number(in->cols[c].type)) t->cols[c].to_right = false;
        t->cols[c].seen = true;
    }
    for (int64_t i = 0; i < in->n_rows; i++)
        for (int c = 0; c < t->n_cols; c++) {
            int width = put_cell(&t->cells, &in->cols[c], i);
            if (width > t->cols[c].width) t->cols[c].width = width;
            mp_buf_u64(&t->places, t->cells.len);
            mp_buf_u64(&t->places, (uint64_t)width);
        }
    t->n_rows += in->n_rows;
    mp_status s = mp_buf_check(&t->cells, err);
    return s != MP_OK ? s : mp_buf_check(&t->places, err);
}

static void put_blanks(mp_buf *out, int n) {
    for (int i = 0; i < n; i++)
        mp_buf_u8(out, ' ');
}

/* The text, cut to at most width cells (an ellipsis takes the last one). */
static void put_cut(mp_buf *out, const uint8_t *p, size_t n, int text_width, int width) {
    if (text_width <= width) {
        mp_buf_put(out, p, n);
        return;
    }
    int used = 0;
    size_t i = 0;
    while (i < n) {
        int32_t code;
        size_t len = mp_utf8_next(p + i, n - i, &code);
        int cells = mp_utf8_width(code);
        if (used + cells > width - 1) break;
        used += cells;
        i += len;
    }
    mp_buf_put(out, p, i);
    mp_buf_put(out, ELLIPSIS, ELLIPSIS_BYTES);
    put_blanks(out, width - 1 - used);
}

/* Row 0 is the names. */
static void put_line(const mp_text_table *t, int64_t row, int n_shown, int cap, mp_buf *out) {
    int owed = 0; /* blanks that are written only when something follows */
    for (int c = 0; c < n_shown; c++) {
        uint64_t place[3] = {0}; /* end of the cell before, its width, end of this one */
        uint64_t width;
        size_t index = (size_t)(row * t->n_cols + c);
        if (index > 0) memcpy(place, t->places.data + (index - 1) * 16, 16);
        memcpy(&place[2], t->places.data + index * 16, 8);
        memcpy(&width, t->places.data + index * 16 + 8, 8);
        int room = t->cols[c].width < cap ? t->cols[c].width : cap;
        int cells = (int)width < room ? (int)width : room;
        bool to_right = t->cols[c].to_right && t->cols[c].seen;
        if (cells > 0) {
            put_blanks(out, owed + (to_right ? room - cells : 0));
            put_cut(out, t->cells.data + place[0], (size_t)(place[2] - place[0]), (int)width, room);
            owed = to_right ? 0 : room - cells;
        } else {
            owed += room;
        }
        owed += GAP;
    }
    if (n_shown < t->n_cols) {
        put_blanks(out, owed);
        mp_buf_put(out, ELLIPSIS, ELLIPSIS_BYTES);
    }
    mp_buf_u8(out, '\n');
}

static void put_rule(const mp_text_table *t, int n_shown, int cap, mp_buf *out) {
    for (int c = 0; c < n_shown; c++) {
        int room = t->cols[c].width < cap ? t->cols[c].width : cap;
        if (c > 0) put_blanks(out, GAP);
        for (int i = 0; i < room; i++)
            mp_buf_u8(out, '-');
    }
    mp_buf_u8(out, '\n');
}

/* Cells of a line of the first n columns, each cut to cap, with the mark of those left out. */
static int64_t line_width(const mp_text_table *t, int n, int cap) {
    int64_t total = 0;
    for (int c = 0; c < n; c++)
        total += (c ? GAP : 0) + (t->cols[c].width < cap ? t->cols[c].width : cap);
    return n < t->n_cols ? total + (n ? GAP : 0) + 1 : total;
}

void mp_table_print(const mp_text_table *t, int width, mp_buf *out) {
    int n = t->n_cols, cap = 1 << 20;
    if (width > 0 && line_width(t, n, cap) > width) {
        /* the widest columns give way first; where that does not do, the last columns are left
         * out */
        cap = width;
        while (cap > NARROWEST && line_width(t, n, cap) > width)
            cap--;
        while (n > 1 && line_width(t, n, cap) > width)
            n--;
        while (n < t->n_cols && cap < width && line_width(t, n, cap + 1) <= width &&
               line_width(t, n, cap + 1) > line_width(t, n, cap))
            cap++;
        while (cap > 1 && line_width(t, n, cap) > width)
            cap--;
    }
    put_line(t, 0, n, cap, out);
    put_rule(t, n, cap, out);
    for (int64_t r = 0; r < t->n_rows; r++)
        put_line(t, r + 1, n, cap, out);
}
