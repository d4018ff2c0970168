/* report.c - what a run did: collected from all ranks, as JSON and as a table.
 * Invariant: ranks is filled on rank 0 after mp_report_collect, in rank order; n_ranks is the same
 * on every rank then. */
#include "run/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void mp_report_init(mp_report *r) {
    memset(r, 0, sizeof *r);
}

void mp_report_release(mp_report *r) {
    free(r->ranks);
    r->ranks = NULL;
}

mp_report_phase *mp_report_phase_of(mp_report *r, const char *name) {
    for (int i = 0; i < r->n_phases; i++)
        if (strncmp(r->phases[i].name, name, sizeof r->phases[i].name - 1) == 0)
            return &r->phases[i];
    if (r->n_phases == MP_REPORT_PHASES) return NULL;
    mp_report_phase *p = &r->phases[r->n_phases++];
    snprintf(p->name, sizeof p->name, "%s", name);
    return p;
}

/* Bytes behind "KEY:" in a line of /proc/self/status, given there in kB; 0: no such line. */
static int64_t status_bytes(const char *status, const char *key) {
    const char *at = strstr(status, key);
    if (!at) return 0;
    int64_t kb = strtoll(at + strlen(key), NULL, 10);
    return kb > 0 && kb < INT64_MAX >> 10 ? kb << 10 : 0;
}

void mp_report_sample(mp_report *r) {
    char text[4096];
    FILE *f = fopen("/proc/self/status", "re");
    if (!f) return;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    int64_t rss = status_bytes(text, "VmHWM:"), anon = status_bytes(text, "RssAnon:");
    if (rss > r->mine.peak_rss) r->mine.peak_rss = rss;
    if (anon > r->mine.peak_anon) r->mine.peak_anon = anon;
}

/* Rank 0: all is as mp_comm_gather gave it. */
static mp_status take_ranks(mp_report *r, const mp_buf *all, int n_ranks, mp_error *err) {
    mp_rd rd = mp_rd_of(all->data, all->len);
    size_t bytes = (size_t)n_ranks * sizeof *r->ranks;
    free(r->ranks);
    r->ranks = calloc((size_t)n_ranks, sizeof *r->ranks);
    if (!r->ranks) return mp_error_nomem(err, (int64_t)bytes, 0);
    for (int i = 0; i < n_ranks; i++) {
        uint64_t len = mp_rd_u64(&rd);
        const void *p = mp_rd_raw(&rd, len);
        if (!p || len != sizeof r->ranks[i])
            return mp_error_set(err, MP_FAILED, "the report of a rank is cut off", "rank %d", i);
        memcpy(&r->ranks[i], p, sizeof r->ranks[i]);
        r->ranks[i].host[sizeof r->ranks[i].host - 1] = 0;
    }
    return MP_OK;
}

mp_status mp_report_collect(mp_report *r, mp_comm *c, const mp_mem *mem, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_buf all;
    mp_buf_init(&all, NULL);
    mp_report_sample(r);
    r->mine.peak_counted = mem ? mem->peak_bytes : 0;
    snprintf(r->mine.host, sizeof r->mine.host, "%s", mp_comm_host(c));
    r->n_ranks = mp_comm_size(c);
    mp_status st = mp_comm_gather(c, &r->mine, sizeof r->mine, &all, &mine);
    if (st == MP_OK && mp_comm_rank(c) == 0) (void)!take_ranks(r, &all, r->n_ranks, &mine);
    mp_buf_release(&all);
    st = mp_comm_agree(c, &mine);
    if (st != MP_OK && err) *err = mine;
    return st;
}

static void json_text(mp_buf *out, const char *s) {
    mp_buf_printf(out, "\"");
    for (; *s; s++) {
        unsigned char b = (unsigned char)*s;
        if (b == '"' || b == '\\')
            mp_buf_printf(out, "\\%c", b);
        else if (b < 0x20 || b >= 0x7f) /* host and phase names are ASCII */
            mp_buf_printf(out, "\\u%04x", b);
        else
            mp_buf_u8(out, b);
    }
    mp_buf_printf(out, "\"");
}

void mp_report_json(const mp_report *r, const char *command, mp_buf *out) {
    mp_buf_printf(out, "{\n  \"command\": ");
    json_text(out, command);
    mp_buf_printf(out,
                  ",\n  \"seconds\": %.6f,\n  \"rows_in\": %" PRId64 ",\n  \"rows_out\": %" PRId64
                  ",\n  \"bytes_in\": %" PRId64 ",\n  \"bytes_out\": %" PRId64 ",\n  \"phases\": [",
                  r->seconds, r->rows_in, r->rows_out, r->bytes_in, r->bytes_out);
    for (int i = 0; i < r->n_phases; i++) {
        const mp_report_phase *p = &r->phases[i];
        mp_buf_printf(out, "%s\n    {\"name\": ", i ? "," : "");
        json_text(out, p->name);
        mp_buf_printf(out,
                      ", \"seconds\": %.6f, \"rows\": %" PRId64 ", \"bytes\": %" PRId64
                      ", \"exchanged\": %" PRId64 ", \"passes\": %d}",
                      p->seconds, p->rows, p->bytes, p->exchanged, p->passes);
    }
    mp_buf_printf(out, "%s],\n  \"ranks\": [", r->n_phases ? "\n  " : "");
    for (int i = 0; r->ranks && i < r->n_ranks; i++) {
        const mp_report_rank *k = &r->ranks[i];
        mp_buf_printf(out, "%s\n    {\"rank\": %d, \"host\": ", i ? "," : "", i);
        json_text(out, k->host);
        mp_buf_printf(out,
                      ", \"rows\": %" PRId64 ", \"bytes\": %" PRId64
                      ", \"seconds\": %.6f, \"peak_rss\": %" PRId64 ", \"peak_anon\": %" PRId64
                      ", \"exchanged\": %" PRId64,
                      k->rows, k->bytes, k->seconds, k->peak_rss, k->peak_anon, k->exchanged);
        if (r->dict)
            mp_buf_printf(out, ", \"dict_keys\": %" PRId64 ", \"dict_operations\": %" PRId64,
                          k->dict_keys, k->dict_operations);
        mp_buf_printf(out, "}");
    }
    mp_buf_printf(out, "\n  ]\n}\n");
}

static double mib(int64_t bytes) {
    return (double)bytes / (1 << 20);
}

void mp_report_text(const mp_report *r, mp_buf *out) {
    mp_buf_printf(out, "%-12s %9s %14s %12s %12s %7s\n", "phase", "seconds", "rows", "MiB",
                  "MiB sent", "passes");
    for (int i = 0; i < r->n_phases; i++) {
        const mp_report_phase *p = &r->phases[i];
        mp_buf_printf(out, "%-12s %9.3f %14" PRId64 " %12.1f %12.1f %7d\n", p->name, p->seconds,
                      p->rows, mib(p->bytes), mib(p->exchanged), p->passes);
    }
    mp_buf_printf(
        out, "all %18.3f s; read %" PRId64 " rows, %.1f MiB; wrote %" PRId64 " rows, %.1f MiB\n\n",
        r->seconds, r->rows_in, mib(r->bytes_in), r->rows_out, mib(r->bytes_out));
    mp_buf_printf(out, "%-12s %9s %14s %12s %12s %9s %9s  %s\n", "rank", "seconds", "rows", "MiB",
                  "MiB sent", "RSS MiB", "own MiB", "host");
    for (int i = 0; r->ranks && i < r->n_ranks; i++) {
        const mp_report_rank *k = &r->ranks[i];
        mp_buf_printf(out, "%-12d %9.3f %14" PRId64 " %12.1f %12.1f %9.1f %9.1f  %s\n", i,
                      k->seconds, k->rows, mib(k->bytes), mib(k->exchanged), mib(k->peak_rss),
                      mib(k->peak_anon), k->host);
    }
}
