/* run_facts.c - see run_facts.h. */
#include "run/journal/run_facts.h"

#include <inttypes.h>

#include "io/input/input.h"

void mp_facts_quote(const char *word, mp_buf *out) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./:,@%^";
    size_t n = strlen(word);
    if (n > 0 && strspn(word, plain) == n) {
        mp_buf_put(out, word, n);
        return;
    }
    bool control = false;
    for (size_t i = 0; i < n; i++)
        control = control || (unsigned char)word[i] < ' ';
    mp_buf_printf(out, control ? "$'" : "'");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];
        if (c == '\n' || c == '\t')
            mp_buf_printf(out, c == '\n' ? "\\n" : "\\t");
        else if (c < ' ')
            mp_buf_printf(out, "\\%03o", c);
        else if (control && (c == '\'' || c == '\\'))
            mp_buf_printf(out, "\\%c", c);
        else if (c == '\'')
            mp_buf_printf(out, "'\\''");
        else
            mp_buf_u8(out, c);
    }
    mp_buf_u8(out, '\'');
}

static void put_byte(mp_buf *out, const char *name, char c) {
    const char text[2] = {c, 0};
    if (!c) return;
    mp_buf_printf(out, "option %s: ", name);
    mp_facts_quote(text, out);
    mp_buf_u8(out, '\n');
}

void mp_facts_texts(mp_buf *out, const char *name, const char *const *texts, int n) {
    if (n == 0) return;
    mp_buf_printf(out, "option %s:", name);
    for (int i = 0; i < n; i++) {
        mp_buf_u8(out, ' ');
        mp_facts_quote(texts[i], out);
    }
    mp_buf_u8(out, '\n');
}

void mp_facts_number(mp_buf *out, const char *name, int64_t n) {
    if (n) mp_buf_printf(out, "option %s: %" PRId64 "\n", name, n);
}

static void put_reading(const mp_input_spec *in, mp_buf *out) {
    mp_facts_number(out, "--input-format", in->tsv ? 1 : in->is_csv ? 2 : (int64_t)in->format * 3);
    put_byte(out, "--delimiter", in->delimiter);
    if (in->quote != '"') mp_facts_number(out, "--quote", 1 + in->quote);
    put_byte(out, "--comment", in->comment);
    mp_facts_number(out, "--no-header", in->no_header);
    mp_facts_texts(out, "--names", in->names, in->n_names);
    mp_facts_texts(out, "--null", in->nulls, in->n_nulls);
    mp_facts_number(out, "--skip-lines", in->skip_lines);
    mp_facts_number(out, "--decimal-comma", in->decimal_comma);
    put_byte(out, "--thousands", in->thousands);
    mp_facts_texts(out, "--date-format", &in->date_format, in->date_format != NULL);
    mp_facts_number(out, "--union", in->union_columns);
    mp_facts_texts(out, "--filename", &in->filename_column, in->filename_column != NULL);
    mp_facts_number(out, "--on-bad-row", in->on_bad_row);
    for (int i = 0; i < in->n_types; i++) {
        mp_buf_printf(out, "option --types %d: %d ", i + 1, (int)in->types[i].type);
        mp_facts_quote(in->types[i].name, out);
        mp_buf_u8(out, '\n');
    }
}

void mp_facts_inputs(const mp_input_spec *in, mp_mem *mem, mp_buf *out) {
    mp_input *inputs = NULL;
    int n = 0;
    mp_arena arena;
    mp_arena_init(&arena, mem);
    put_reading(in, out);
    /* one that cannot be listed is an error later on, where the table is opened */
    if (mp_input_list(in->paths, in->n_paths, &arena, &inputs, &n, NULL) == MP_OK)
        for (int i = 0; i < n; i++) {
            mp_buf_printf(out, "input ");
            mp_facts_quote(inputs[i].path, out);
            if (inputs[i].object) {
                mp_buf_u8(out, ' ');
                mp_facts_quote(inputs[i].object, out);
            }
            if (inputs[i].size_bytes < 0)
                mp_buf_printf(out, ": a stream\n");
            else
                mp_buf_printf(out, ": %" PRId64 " bytes, modified at %" PRId64 " ns\n",
                              inputs[i].size_bytes, inputs[i].mtime_ns);
        }
    mp_arena_release(&arena);
}
