/* merge.c - see merge.h. A merge is the query that takes all rows as they are, behind a look at the
 * checksums; sorted, one whose pass also looks at the order.
 * Invariant: what differs from its manifest is found before anything is written. */
#include "run/merge/merge.h"

#include "base/clock.h"
#include "run/merge/merge_priv.h"

mp_status mp_merge_run(mp_comm *c, const mp_spec *spec, bool is_virtual, mp_mem *mem, mp_buf *text,
                       mp_report *report, mp_error *err) {
    mp_job j;
    double start = mp_clock_s();
    mp_status st = spec->run.plan_only ? MP_OK : mp_merge_verify(c, spec, mem, err);
    mp_report_phase *p = st ? NULL : mp_report_phase_of(report, "verify");
    if (p) p->seconds = mp_clock_s() - start;
    if (!st) {
        mp_job_begin(&j, c, spec, mem, report);
        if (spec->query.sort) j.pass = mp_merge_pass;
        st = is_virtual ? mp_merge_virtual(&j, text, err) : mp_job_run_query(&j, text, err);
        mp_job_end(&j);
    }
    report->seconds = mp_clock_s() - start;
    mp_status collected = mp_report_collect(report, c, mem, st ? NULL : err);
    return st ? st : collected;
}
