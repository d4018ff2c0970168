/* map_dict.c - the shared dictionary beside the units of a map: a socket on every rank, served in the rounds of the
 * loop.
 * Invariant: between open and close every rank serves the others' operations whatever it waits for, and all ranks close
 * together, also when the run has failed. */
#include "run/map/map_dict.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "run/fault.h"
#include "run/resp/resp_server.h"

enum {
    TRAFFIC_MOST = 256 << 20,
    TRAFFIC_LEAST = 4 << 20,
    SPIN_NS = 50 * 1000,      /* a wait that is shorter than a sleep costs */
    GAP_MOST_NS = 200 * 1000, /* counted; a dozen quick ones make up for it */
    STAY_NS = 1000 * 1000,    /* the units are looked at so often */
    CALM_NS = 1000 * 1000 * 1000
};

/* Of what --memory leaves beside what the map has by now, three quarters are the dictionary's: neither can take the
 * other's. The share stays 0 where there is no limit, and only there: it would be none for the dictionary, too. */
static mp_status take_share(mp_map_job *j, mp_error *err) {
    enum { LEAST = 16 };
    int64_t left = j->mem->limit_bytes - j->mem->used_bytes, share = left / LEAST * 12;
    if (j->mem->limit_bytes == 0) return MP_OK;
    if (left < LEAST || !mp_mem_reserve(j->mem, (size_t)share))
        return mp_mem_error(j->mem, LEAST, err);
    j->dict->share = share;
    return MP_OK;
}

static mp_status set_up(mp_map_job *j, mp_error *err) {
    mp_map_dict *m = j->dict;
    mp_status st = take_share(j, err);
    if (st != MP_OK) return st;
    int64_t limit = m->share, traffic = limit > 0 ? limit / 8 : TRAFFIC_MOST;
    traffic = traffic > TRAFFIC_MOST ? TRAFFIC_MOST : traffic;
    mp_mem_init(&m->mem, limit / 4);
    mp_dict_args args = {&m->mem, limit / 4 * 3, traffic < TRAFFIC_LEAST ? TRAFFIC_LEAST : traffic};
    st = mp_dict_new(j->c, &args, &m->dict, err);
    if (st != MP_OK) return st;
    mp_resp_server_args server = {
        .c = j->c, .dict = m->dict, .mem = &m->mem, .folder = getenv("TMPDIR")};
    st = mp_resp_server_new(&server, &m->server, err);
    if (st != MP_OK) return st;
    snprintf(m->variable, sizeof m->variable, "MPART_DICT=%s", mp_resp_server_path(m->server));
    struct epoll_event e = {.events = EPOLLIN, .data.fd = mp_resp_server_fd(m->server)};
    (void)epoll_ctl(j->epoll_fd, EPOLL_CTL_ADD, e.data.fd, &e);
    return mp_fault_check(mp_comm_rank(j->c), "dict", err);
}

mp_status mp_map_dict_open(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    if (!j->map->dict) return MP_OK;
    j->report->dict = true;
    j->dict = calloc(1, sizeof *j->dict);
    mp_status st = j->dict ? set_up(j, &mine) : mp_error_nomem(&mine, sizeof *j->dict, 0);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st != MP_OK) return st;
    j->dict->opened = true;
    bool taken = false;
    st = mp_map_dict_take_up(j, &taken, err);
    if (st == MP_OK && !taken && j->map->dict_in) st = mp_map_dict_read(j, err);
    j->dict->filled = st == MP_OK;
    j->dict->kept_ns = mp_clock_ns();
    return st;
}

const char *mp_map_dict_variable(const mp_map_job *j) {
    return j->dict ? j->dict->variable : NULL;
}

/* While clients and owners have been quick lately the rank yields and looks again instead of sleeping, and does not look
 * at the units for each request; once they are not, it sleeps at once. */
static bool go_on(mp_comm *c, mp_map_dict *m, int64_t begun_ns, int events) {
    int64_t now = mp_clock_ns(), gap = now - m->event_ns;
    if (events > 0) {
        gap = gap < GAP_MOST_NS ? gap : GAP_MOST_NS;
        m->gap_ns = (7 * m->gap_ns + gap) / 8;
        m->event_ns = now;
        gap = 0;
    }
    if (m->gap_ns > SPIN_NS || gap > SPIN_NS || now - begun_ns > STAY_NS) return false;
    return events > 0 || mp_comm_yield(c);
}

const char *mp_map_dict_socket(const mp_map_job *j) {
    return j->dict ? mp_resp_server_path(j->dict->server) : NULL;
}

mp_dict *mp_map_dict_of(const mp_map_job *j) {
    return j->dict ? j->dict->dict : NULL;
}

mp_status mp_map_dict_round(void *ctx, bool *did, mp_error *err) {
    mp_map_job *j = ctx;
    int64_t begun_ns = mp_clock_ns();
    int events, n = 0;
    mp_status st;
    do {
        int messages = 0;
        events = 0;
        st = mp_resp_server_round(j->dict->server, &events, err);
        if (st == MP_OK) st = mp_comm_progress(j->c, &messages, err);
        events += messages;
        n += events;
    } while (st == MP_OK && go_on(j->c, j->dict, begun_ns, events));
    *did = *did || n > 0;
    return st;
}

typedef struct {
    mp_map_dict *m;
    mp_status st;
    mp_error *err;
    int64_t until_ns;
} settling;

/* What clients that are gone have sent is carried out; others do not hold it up for long. */
static bool calm(void *ctx) {
    settling *s = ctx;
    int events = 0;
    if (s->st == MP_OK) s->st = mp_resp_server_round(s->m->server, &events, s->err);
    bool late = mp_clock_ns() > s->until_ns;
    return s->st != MP_OK || late || (events == 0 && mp_resp_server_calm(s->m->server));
}

mp_status mp_map_dict_keep_now(void *ctx, mp_error *err) {
    mp_map_job *j = ctx;
    mp_error mine = MP_ERROR_INIT;
    settling s = {j->dict, MP_OK, &mine, mp_clock_ns() + CALM_NS};
    mp_status st = mp_comm_wait(j->c, calm, &s, "clients of the dictionary", &mine);
    if (st == MP_OK) st = s.st;
    mp_status quiet = mp_dict_quiet(j->dict->dict, st == MP_OK ? &mine : NULL);
    st = mp_comm_agree_on(j->c, st == MP_OK ? quiet : st, &mine, err);
    if (st != MP_OK) return st;
    mine = MP_ERROR_INIT;
    st = mp_map_dict_keep(j, &mine);
    j->dict->kept_ns = mp_clock_ns();
    if (st != MP_OK && mp_comm_broken(j->c)) {
        if (err) *err = mine;
        return st;
    }
    if (st != MP_OK && mp_comm_rank(j->c) == 0) /* the run itself goes well */
        snprintf(j->report->note, sizeof j->report->note,
                 "the dictionary was not kept for --resume: %.180s", mine.why);
    return MP_OK;
}

mp_status mp_map_dict_keep_behind(mp_map_job *j, mp_error *err) {
    if (!j->dict || !j->journalled || !j->map->dict_keep_ns) return MP_OK;
    int64_t due = mp_clock_ns() - j->dict->kept_ns > j->map->dict_keep_ns;
    mp_status st = mp_comm_allreduce(j->c, &due, 1, MP_MAX, err);
    return st == MP_OK && due ? mp_map_dict_keep_now(j, err) : st;
}

static bool served(void *ctx) {
    settling *s = ctx;
    int events = 0;
    if (s->st == MP_OK) s->st = mp_resp_server_round(s->m->server, &events, s->err);
    return s->st != MP_OK || mp_resp_server_done(s->m->server);
}

mp_status mp_map_dict_settle(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    if (!j->dict) return MP_OK;
    settling s = {j->dict, MP_OK, &mine, 0};
    mp_resp_server_end(j->dict->server);
    mp_comm_watch_fd(j->c, mp_resp_server_fd(j->dict->server));
    mp_status st = mp_comm_wait(j->c, served, &s, "clients of the dictionary", &mine);
    mp_comm_watch_fd(j->c, -1);
    if (st == MP_OK) st = s.st;
    mp_status quiet = mp_dict_quiet(j->dict->dict, st == MP_OK ? &mine : NULL);
    mp_dict_counts n = mp_dict_stats(j->dict->dict);
    j->report->mine.dict_keys = n.keys;
    j->report->mine.dict_operations = n.applied;
    return mp_comm_agree_on(j->c, st == MP_OK ? quiet : st, &mine, err);
}

static bool is_done(void *ctx) {
    return mp_dict_done(ctx);
}

static void release(mp_map_job *j) {
    mp_dict_free(&j->dict->dict);
    mp_resp_server_free(&j->dict->server);
    mp_mem_return(j->mem, (size_t)j->dict->share);
    free(j->dict);
    j->dict = NULL;
}

/* A run that can be gone on from leaves its dictionary; where it cannot, that is the error: the hint of st is none then.
 * Where units were ended that had begun, it has a part of what they do: what was kept before is gone on from. */
static mp_status keep(mp_map_job *j, mp_status st, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status kept = mp_map_dict_settle(j, &mine);
    int64_t cut = j->cut_short;
    if (kept == MP_OK) kept = mp_comm_allreduce(j->c, &cut, 1, MP_MAX, &mine);
    if (kept == MP_OK && cut) return st;
    if (kept == MP_OK) kept = mp_map_dict_keep(j, &mine);
    if (kept == MP_OK || st == MP_IO) return st;
    if (err) *err = mine;
    return kept;
}

mp_status mp_map_dict_close(mp_map_job *j, mp_status st, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    if (!j->dict) return st;
    mp_map_dict *m = j->dict;
    if (m->opened && m->filled && st != MP_OK && j->journalled && !mp_comm_broken(j->c))
        st = keep(j, st, err);
    /* without a dictionary on every rank there was no operation, and nobody to end with */
    bool all = m->opened;
    if (all && !mp_comm_broken(j->c)) {
        mp_status ended = mp_dict_end(m->dict, st != MP_OK, &mine);
        if (ended == MP_OK)
            ended = mp_comm_wait(j->c, is_done, m->dict, "end of the dictionary", &mine);
        ended = mp_comm_broken(j->c) ? ended : mp_comm_agree_on(j->c, ended, &mine, &mine);
        if (st == MP_OK && ended != MP_OK) {
            st = ended;
            if (err) *err = mine;
        }
    }
    release(j);
    return st;
}
