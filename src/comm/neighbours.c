/* neighbours.c - who shares this host: every rank tells all where it is and how its doorbell is rung.
 * Invariant: ranks that share memory agree on it before the first dictionary is made. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "comm/comm_state.h"

/* What every rank tells all. */
typedef struct {
    uint64_t host, token, secret;
} card;

static card own_card(mp_comm *c) {
    card own = {.host = mp_hash_bytes(c->host, strlen(c->host))};
    uint64_t random[2];
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random ||
        !mp_doorbell_open(c, random[0]))
        return own;
    own.token = random[0];
    own.secret = random[1];
    return own;
}

static void read_cards(mp_comm *c, const mp_buf *cards) {
    card own, other;
    memcpy(&own, cards->data + (size_t)c->rank * sizeof own, sizeof own);
    memcpy(&other, cards->data, sizeof other);
    c->secret = other.secret;
    c->host_ranks = 1;
    c->all_ring = true;
    for (int r = 0; r < c->size; r++) {
        memcpy(&other, cards->data + (size_t)r * sizeof other, sizeof other);
        if (r == c->rank) continue;
        if (other.host == own.host) {
            c->host_ranks++;
            c->token[r] = c->bell >= 0 ? other.token : 0;
            /* same name, yet another host or network namespace: then it cannot be rung */
            if (c->token[r] && !mp_doorbell_reaches(c->token[r])) c->token[r] = 0;
        }
        if (!c->token[r]) c->all_ring = false;
    }
    c->one_host = c->host_ranks == c->size;
}

static void use_cards(mp_comm *c, const mp_buf *cards) {
    if (!c->token || cards->failed || cards->len != (size_t)c->size * sizeof(card)) return;
    read_cards(c, cards);
    if (c->bell < 0) return;
    mp_doorbell_share(c);
    mp_doorbell_woke(c); /* the flags that another rank has sent */
}

/* The same on every rank. */
static bool on_several_hosts(const mp_comm *c, const mp_buf *cards) {
    card first, other;
    if (cards->len != (size_t)c->size * sizeof first) return false;
    memcpy(&first, cards->data, sizeof first);
    for (size_t at = sizeof first; at < cards->len; at += sizeof other) {
        memcpy(&other, cards->data + at, sizeof other);
        if (other.host != first.host) return true;
    }
    return false;
}

mp_status mp_neighbours_meet(mp_comm *c, mp_error *err) {
    mp_buf all, cards;
    mp_buf_init(&all, NULL);
    mp_buf_init(&cards, NULL);
    c->token = calloc((size_t)c->size, sizeof *c->token);
    card own = own_card(c);
    mp_status s = mp_comm_gather(c, &own, sizeof own, &all, err);
    if (s == MP_OK && c->rank == 0) {
        mp_rd r = mp_rd_of(all.data, all.len);
        for (int i = 0; i < c->size; i++) {
            uint64_t n = mp_rd_u64(&r);
            const void *p = mp_rd_raw(&r, n);
            if (p) mp_buf_put(&cards, p, n);
        }
        /* before the others learn the names, so that on this host the flags are there when the cards come */
        use_cards(c, &cards);
    }
    mp_buf_release(&all);
    if (s == MP_OK) s = mp_comm_bcast(c, &cards, err);
    if (s == MP_OK && c->rank > 0) use_cards(c, &cards);
    if (s == MP_OK && on_several_hosts(c, &cards)) {
        /* on the other hosts the flags may come behind the cards: not before they are there may memory be shared, or not */
        s = mp_comm_barrier(c, err);
        mp_doorbell_woke(c);
    }
    mp_buf_release(&cards);
    return s;
}
