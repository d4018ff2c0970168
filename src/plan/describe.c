/* describe.c - the plan as text. See describe.h. */
#include "plan/describe.h"

static const char *call_text(const mp_group_agg *a) {
    static const char *const names[] = {[MP_AGG_COUNT] = "count",
                                        [MP_AGG_COUNT_VALUES] = "count of values",
                                        [MP_AGG_COUNT_DISTINCT] = "count_distinct",
                                        [MP_AGG_SUM] = "sum",
                                        [MP_AGG_MEAN] = "mean",
                                        [MP_AGG_MIN] = "min",
                                        [MP_AGG_MAX] = "max",
                                        [MP_AGG_VAR] = "var",
                                        [MP_AGG_STD] = "std",
                                        [MP_AGG_QUANTILE] = "quantile",
                                        [MP_AGG_FIRST] = "first",
                                        [MP_AGG_LAST] = "last",
                                        [MP_AGG_TOP] = "top",
                                        [MP_AGG_BOTTOM] = "bottom",
                                        [MP_AGG_CORR] = "corr"};
    return names[a->fn];
}

static int64_t count_splits(const mp_spec *spec, const mp_table *t) {
    mp_range_iter it = {0};
    int file;
    int64_t begin, len, n = 0;
    while (mp_table_next_range(t, &spec->run, &it, &file, &begin, &len))
        n++;
    return n;
}

static void put_inputs(const mp_spec *spec, const mp_table *t, mp_buf *out) {
    int by_data = 0;
    for (int f = 0; f < t->n_files; f++)
        by_data += t->files[f].by_data;
    mp_buf_printf(out, "input: %d file%s, %lld bytes, %d columns\n", t->n_files,
                  t->n_files == 1 ? "" : "s", (long long)t->total_bytes, t->n_columns);
    for (int f = 0; f < t->n_files && f < 20; f++) {
        const mp_table_file *file = &t->files[f];
        char form[32];
        snprintf(form, sizeof form, file->delimiter == '\t' ? "delimiter tab" : "delimiter '%c'",
                 file->delimiter);
        bool csv = file->format == MP_READ_CSV;
        mp_buf_printf(out, "  %s: %s, %s\n", file->path,
                      csv ? form : mp_source_of(file->format)->name,
                      file->h5 && file->by_data ? "read by rank 0 and scattered as rows"
                      : file->h5                ? "scattered as ranges of rows"
                      : file->by_data ? "read by rank 0 and scattered as blocks of records"
                      : file->solid   ? "unpacked by one rank"
                                      : "scattered as byte ranges");
    }
    if (t->n_files > 20) mp_buf_printf(out, "  and %d more\n", t->n_files - 20);
    if (by_data < t->n_files)
        mp_buf_printf(out, "splits: %lld of %lld %s\n", (long long)count_splits(spec, t),
                      (long long)(t->typed ? t->files[0].split_rows : t->split_bytes),
                      t->typed ? "rows" : "bytes");
}

static void put_columns(const mp_spec *spec, const mp_scan_plan *plan, mp_buf *out) {
    mp_buf_printf(out, "read: %d column%s\n", plan->n_wanted, plan->n_wanted == 1 ? "" : "s");
    for (int i = 0; i < plan->n_wanted; i++) {
        const mp_csv_column *w = &plan->wanted[i];
        const char *as = w->use == MP_CSV_TEXT ? "text" : mp_type_name(w->type);
        mp_buf_printf(out, "  %s as %s%s%s%s\n", w->name, as,
                      w->fixed && spec->input.n_types ? " (--types)" : "",
                      w->use == MP_CSV_TYPED && !w->fixed ? " (from the sample)" : "",
                      w->in_filter ? ", for the filter" : "");
    }
}

static void put_phases(const mp_query *q, const mp_scan_plan *plan, int n_ranks, mp_buf *out) {
    mp_buf_printf(out, "phases on %d rank%s:\n", n_ranks, n_ranks == 1 ? "" : "s");
    mp_buf_printf(out, "  scan: source%s", q->where ? " -> filter" : "");
    if (q->grouped) {
        mp_buf_printf(out, " -> group by %d key%s", q->n_keys, q->n_keys == 1 ? "" : "s");
        for (int i = 0; i < plan->n_aggs; i++)
            mp_buf_printf(out, "%s%s", i ? ", " : ": ", call_text(&plan->aggs[i]));
        if (n_ranks > 1) mp_buf_printf(out, " | exchange by key | merge groups");
        mp_buf_printf(out, "\n");
        if (q->having) mp_buf_printf(out, "  having\n");
        mp_buf_printf(out, "  sort: %s\n", q->n_sort ? "by --sort" : "by key up to 65536 groups");
    } else if (q->n_sort) {
        mp_buf_printf(out, " -> keep rows\n");
        if (n_ranks > 1) mp_buf_printf(out, "  exchange: by range of the sort keys\n");
        mp_buf_printf(out, "  sort: %d key%s\n", q->n_sort, q->n_sort == 1 ? "" : "s");
    } else {
        mp_buf_printf(out, " -> rows in input order\n");
    }
    mp_buf_printf(out, "  output: %d column%s\n", q->n_outputs, q->n_outputs == 1 ? "" : "s");
}

void mp_plan_describe(const mp_spec *spec, const mp_table *t, const mp_query *q,
                      const mp_scan_plan *plan, int n_ranks, mp_buf *out) {
    put_inputs(spec, t, out);
    put_columns(spec, plan, out);
    put_phases(q, plan, n_ranks, out);
}
