/* merge.c - see merge.h. A merge is the query that takes all rows as they are, behind a look at the
 * checksums; sorted, one whose rows need not all be in memory (merge_pass.c, merge_sort.c).
 * Invariant: what differs from its manifest is found before anything is written. */
#include "run/merge/merge.h"

#include "base/clock.h"
#include "run/merge/merge_priv.h"
#include "run/shard_verify.h"

static mp_status run_sorted(mp_job *j, mp_buf *text, mp_error *err) {
    mp_merge m = {.j = j, .split = -1};
    mp_buf_init(&m.least, j->mem);
    mp_buf_init(&m.most, j->mem);
    mp_buf_init(&m.splits, j->mem);
    mp_buf_init(&m.list, j->mem);
    mp_buf_init(&m.parts, j->mem);
    mp_rows_init(&m.sample, &j->row_pool);
    mp_row_ranges_init(&m.cuts, &j->row_pool);
    mp_merge_runs_init(&m.runs, j->spec->run.scratch, j->mem);
    j->opened = mp_merge_opened;
    j->pass = mp_merge_pass;
    j->write = mp_merge_write;
    j->ctx = &m;
    mp_status st = mp_job_run_query(j, text, err);
    mp_merge_runs_release(&m.runs);
    mp_row_ranges_release(&m.cuts);
    mp_rows_release(&m.sample);
    mp_buf_release(&m.parts);
    mp_buf_release(&m.list);
    mp_buf_release(&m.splits);
    mp_buf_release(&m.most);
    mp_buf_release(&m.least);
    return st;
}

mp_status mp_merge_run(mp_comm *c, const mp_spec *spec, bool is_virtual, mp_mem *mem, mp_buf *text,
                       mp_report *report, mp_error *err) {
    mp_job j;
    double start = mp_clock_s();
    mp_status st = spec->run.plan_only ? MP_OK : mp_shard_verify(c, spec, mem, err);
    mp_report_phase *p = st ? NULL : mp_report_phase_of(report, "verify");
    if (p) p->seconds = mp_clock_s() - start;
    if (!st) {
        mp_job_begin(&j, c, spec, mem, report);
        st = is_virtual         ? mp_merge_virtual(&j, text, err)
             : spec->query.sort ? run_sorted(&j, text, err)
                                : mp_job_run_query(&j, text, err);
        mp_job_end(&j);
    }
    report->seconds = mp_clock_s() - start;
    mp_status collected = mp_report_collect(report, c, mem, st ? NULL : err);
    return st ? st : collected;
}
