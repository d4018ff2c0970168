/* resp_talk.c - commands of the connection: what clients say before they get to work, and what is refused.
 * Invariant: none of them touches the dictionary. */
#include <stdio.h>

#include "run/resp/resp_command.h"

void mp_resp_ping(mp_resp_run_ctx *x) {
    if (x->n == 1)
        mp_resp_say(x, "+PONG");
    else if (x->n == 2)
        mp_resp_say_bulk(x, x->a[1].p, x->a[1].n);
    else
        mp_resp_say(x, "-ERR wrong number of arguments for 'ping' command");
}

void mp_resp_echo(mp_resp_run_ctx *x) {
    mp_resp_say_bulk(x, x->a[1].p, x->a[1].n);
}

void mp_resp_select_db(mp_resp_run_ctx *x) {
    int64_t n;
    if (mp_resp_int(x, 1, &n)) mp_resp_say(x, n == 0 ? "+OK" : "-ERR DB index is out of range");
}

static void put_pair(mp_buf *b, const char *name, const char *value) {
    mp_resp_put_bulk(b, name, strlen(name));
    mp_resp_put_bulk(b, value, strlen(value));
}

void mp_resp_hello(mp_resp_run_ctx *x) {
    mp_dict_value text = {.type = MP_DICT_BYTES};
    int64_t version = 2;
    if (x->n > 1) text.bytes.p = x->a[1].p, text.bytes.n = x->a[1].n;
    if (x->n > 1 && !mp_dict_value_int(&text, &version)) {
        mp_resp_say(x, "-ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version != 2) {
        mp_resp_say(x, "-NOPROTO unsupported protocol version");
        return;
    }
    mp_buf *b = mp_resp_at_once(x->c);
    mp_resp_put_array(b, 14);
    put_pair(b, "server", "redis");
    put_pair(b, "version", "7.0.0");
    mp_resp_put_bulk(b, "proto", 5);
    mp_resp_put_int(b, 2);
    mp_resp_put_bulk(b, "id", 2);
    mp_resp_put_int(b, x->c->fd);
    put_pair(b, "mode", "standalone");
    put_pair(b, "role", "master");
    mp_resp_put_bulk(b, "modules", 7);
    mp_resp_put_array(b, 0);
    mp_resp_at_once_done(x->c);
}

void mp_resp_command_command(mp_resp_run_ctx *x) {
    if (x->n > 1 && mp_resp_is(&x->a[1], "count"))
        mp_resp_say_int(x, mp_resp_n_commands());
    else
        mp_resp_say(x, "*0");
}

void mp_resp_client_command(mp_resp_run_ctx *x) {
    if (mp_resp_is(&x->a[1], "id"))
        mp_resp_say_int(x, x->c->fd);
    else if (mp_resp_is(&x->a[1], "getname"))
        mp_resp_say(x, "$-1");
    else if (mp_resp_is(&x->a[1], "setname") || mp_resp_is(&x->a[1], "setinfo") ||
             mp_resp_is(&x->a[1], "no-evict") || mp_resp_is(&x->a[1], "no-touch"))
        mp_resp_say(x, "+OK");
    else
        mp_resp_say(x, "-ERR unknown subcommand. Try CLIENT ID, GETNAME, SETNAME, SETINFO");
}

/* Its own but for the keys, which are those of all ranks. */
void mp_resp_put_info(const mp_resp_server *s, int64_t n_keys, mp_buf *b) {
    char text[600];
    const mp_mem *mem = mp_dict_own(s->args.dict)->mem;
    int len =
        snprintf(text, sizeof text,
                 "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\n"
                 "mpart_rank:%d\r\nmpart_ranks:%d\r\ntcp_port:0\r\n"
                 "# Clients\r\nconnected_clients:%d\r\n"
                 "# Memory\r\nused_memory:%lld\r\nmaxmemory:%lld\r\n"
                 "# Stats\r\ntotal_commands_processed:%lld\r\nmpart_operations:%lld\r\n"
                 "# Keyspace\r\ndb0:keys=%lld,expires=0,avg_ttl=0\r\n",
                 mp_comm_rank(s->args.c), s->size, s->counts.connected, (long long)mem->used_bytes,
                 (long long)mem->limit_bytes, (long long)s->counts.commands,
                 (long long)mp_dict_stats(s->args.dict).applied, (long long)n_keys);
    mp_resp_put_bulk(b, text, (size_t)len);
}

/* Clients ask for settings; there are none. */
void mp_resp_config(mp_resp_run_ctx *x) {
    if (mp_resp_is(&x->a[1], "get"))
        mp_resp_say(x, "*0");
    else
        mp_resp_say(x, "-ERR CONFIG can only be asked with GET here");
}

void mp_resp_refused(mp_resp_run_ctx *x) {
    char line[160];
    snprintf(line, sizeof line,
             "-ERR '%s' is not supported: each command is carried out as a whole, and there are no "
             "transactions or channels; a pipeline goes without a transaction",
             x->cmd->name);
    mp_resp_say(x, line);
}

void mp_resp_no_expiry(mp_resp_run_ctx *x) {
    mp_resp_say(x, "-ERR keys do not expire here: EX, PX and EXPIRE are not supported");
}

void mp_resp_auth(mp_resp_run_ctx *x) {
    mp_resp_say(x, "-ERR AUTH <password> called without any password configured for the default "
                   "user. Are you sure your configuration is correct?");
}

void mp_resp_quit(mp_resp_run_ctx *x) {
    mp_resp_say(x, "+OK");
    x->c->no_more_input = true;
}
