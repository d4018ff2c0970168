/* test_resp.c - the dictionary's socket from the client's side, on any number of ranks at once: every command,
 * answers in order, hostile bytes, huge pipelines, clients that vanish or never read. Guarded by alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "on_ranks.h"
#include "run/resp/resp_command.h"

typedef struct {
    mp_comm *c;
    mp_dict *d;
    mp_resp_server *server;
    mp_mem mem;
    char path[108];
} side;

static bool everywhere(mp_comm *c, bool ok) {
    int64_t v = ok ? 0 : 1;
    assert_int_equal(mp_comm_allreduce(c, &v, 1, MP_SUM, NULL), MP_OK);
    return v == 0;
}

static bool side_open(side *s, mp_comm *c, int64_t table_bytes) {
    *s = (side){.c = c};
    mp_mem_init(&s->mem, 512 << 20);
    mp_dict_args args = {&s->mem, table_bytes, 32 << 20};
    mp_resp_server_args server = {.c = c, .mem = &s->mem, .folder = getenv("TMPDIR")};
    if (mp_dict_new(c, &args, &s->d, NULL) != MP_OK) return false;
    server.dict = s->d;
    if (mp_resp_server_new(&server, &s->server, NULL) != MP_OK) return false;
    strcpy(s->path, mp_resp_server_path(s->server));
    return true;
}

static bool turn(side *s) {
    int events = 0, more = 0;
    if (mp_comm_progress(s->c, &events, NULL) != MP_OK) return false;
    if (mp_resp_server_round(s->server, &more, NULL) != MP_OK) return false;
    if (events + more == 0) mp_comm_idle_most(s->c, 1000, 50000);
    return true;
}

/* Ends the server and the dictionary on all ranks. */
static bool side_close(side *s, bool ok) {
    mp_resp_server_end(s->server);
    int64_t until = mp_clock_ns() + INT64_C(20000000000);
    while (!mp_resp_server_done(s->server) && mp_clock_ns() < until)
        turn(s);
    ok = ok && mp_resp_server_done(s->server);
    ok = mp_dict_end(s->d, false, NULL) == MP_OK && ok;
    while (!mp_dict_done(s->d) && mp_clock_ns() < until)
        ok = mp_comm_progress(s->c, NULL, NULL) == MP_OK && ok;
    mp_resp_server_free(&s->server);
    mp_dict_free(&s->d);
    ok = ok && s->mem.used_bytes == 0 && access(s->path, F_OK) != 0;
    return everywhere(s->c, ok);
}

static int client(const side *s) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, s->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) abort();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Sends all and reads n bytes (or, n 0, until the other side closes) while serving; the bytes read are in *got. */
static bool exchange(side *s, int fd, const void *bytes, size_t n_bytes, mp_buf *got, size_t n) {
    int64_t until = mp_clock_ns() + INT64_C(30000000000);
    const uint8_t *p = bytes;
    static uint8_t piece[1 << 16];
    bool closed = false;
    while (mp_clock_ns() < until && !closed && (n_bytes > 0 || n == 0 || got->len < n)) {
        ssize_t k = n_bytes ? send(fd, p, n_bytes, MSG_NOSIGNAL) : 0;
        if (k > 0) {
            p += k;
            n_bytes -= (size_t)k;
        }
        if (!turn(s)) return false;
        size_t most = n > got->len ? n - got->len : sizeof piece;
        k = recv(fd, piece, most < sizeof piece ? most : sizeof piece, 0);
        if (k > 0) mp_buf_put(got, piece, (size_t)k);
        if (k == 0 || (k < 0 && errno != EAGAIN)) closed = true;
    }
    return n == 0 ? closed : got->len == n;
}

static bool says(side *s, int fd, const char *sent, const char *expected) {
    mp_buf got;
    mp_buf_init(&got, NULL);
    bool ok = exchange(s, fd, sent, strlen(sent), &got, strlen(expected));
    ok = ok && memcmp(got.data, expected, got.len) == 0;
    if (!ok)
        print_error("to %s\n  came %.*s\n  not  %s\n", sent, (int)got.len, (char *)got.data,
                    expected);
    mp_buf_release(&got);
    return ok;
}

static void send_text(int fd, const char *text) {
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* In each text @ stands for the rank, so that ranks do not meet. */
static const char *own(char *out, const char *text, int rank) {
    char *o = out;
    for (; *text; text++)
        *o++ = *text == '@' ? (char)('a' + rank) : *text;
    *o = 0;
    return out;
}

#define WRONG "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NOT_INT "-ERR value is not an integer or out of range\r\n"

static const char *const TALK[][2] = {
    {"PING\r\n", "+PONG\r\n"},
    {"*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n", "$2\r\nhi\r\n"},
    {"ECHO \"a b\\x41\\n\"\r\n", "$5\r\na bA\n\r\n"},
    {"\r\n  \r\nSET k@ 'it\\'s'\r\n", "+OK\r\n"},
    {"GET k@\r\n", "$4\r\nit's\r\n"},
    {"get nope@\r\n", "$-1\r\n"},
    {"SET k@ 1 NX\r\nSET k@ 2 XX\r\nSET k@ 3 GET\r\nGET k@\r\n",
     "$-1\r\n+OK\r\n$1\r\n2\r\n$1\r\n3\r\n"},
    {"SET k@ 1 NX XX\r\n", "-ERR syntax error\r\n"},
    {"SET k@ 1 EX 10\r\n", "-ERR keys do not expire here: EX, PX and EXPIRE are not supported\r\n"},
    {"SETNX n@ 1\r\nSETNX n@ 2\r\n", ":1\r\n:0\r\n"},
    {"GETSET n@ 5\r\nGETDEL n@\r\nEXISTS n@\r\n", "$1\r\n1\r\n$1\r\n5\r\n:0\r\n"},
    {"INCR c@\r\nINCRBY c@ 41\r\nDECR c@\r\nDECRBY c@ -1\r\n", ":1\r\n:42\r\n:41\r\n:42\r\n"},
    {"INCRBYFLOAT f@ 10.5\r\nINCRBYFLOAT f@ 0.1\r\nINCRBYFLOAT f@ 5.0e3\r\n",
     "$4\r\n10.5\r\n$4\r\n10.6\r\n$6\r\n5010.6\r\n"},
    {"INCR f@\r\n", NOT_INT},
    {"INCRBY c@ x\r\n", NOT_INT},
    {"INCRBY c@ 9223372036854775808\r\n", NOT_INT},
    {"INCRBY c@ 9223372036854775807\r\n", "-ERR increment or decrement would overflow\r\n"},
    {"DECRBY c@ -9223372036854775808\r\n", "-ERR decrement would overflow\r\n"},
    {"INCRBYFLOAT k@ abc\r\n", "-ERR value is not a valid float\r\n"},
    {"APPEND ap@ foo\r\nAPPEND ap@ bar\r\nSTRLEN ap@\r\nSTRLEN nope@\r\n",
     ":3\r\n:6\r\n:6\r\n:0\r\n"},
    {"CAS ap@ foobar baz\r\nCAS ap@ foobar x\r\nGET ap@\r\n", ":1\r\n:0\r\n$3\r\nbaz\r\n"},
    {"MSET m1@ a m2@ b m3@ c\r\n", "+OK\r\n"},
    {"MSET m1@ a m2@\r\n", "-ERR wrong number of arguments for 'mset' command\r\n"},
    {"MGET m1@ nope@ m3@ m2@\r\n", "*4\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n$1\r\nb\r\n"},
    {"EXISTS m1@ m2@ m1@ nope@\r\nDEL m1@ m2@ m3@ nope@\r\n", ":3\r\n:3\r\n"},
    {"HSET h@ f1 v1 f2 2\r\nHSET h@ f1 v9\r\nHGET h@ f1\r\n", ":2\r\n:0\r\n$2\r\nv9\r\n"},
    {"HGET h@ no\r\nHGET no@ f\r\nHLEN h@\r\nHEXISTS h@ f2\r\nHEXISTS h@ f3\r\n",
     "$-1\r\n$-1\r\n:2\r\n:1\r\n:0\r\n"},
    {"HINCRBY h@ f2 40\r\nHINCRBY h@ f1 1\r\nHINCRBYFLOAT h@ f3 1.5\r\n",
     ":42\r\n-ERR hash value is not an integer\r\n$3\r\n1.5\r\n"},
    {"HMGET h@ f1 no f3\r\nHMGET h@ f1\r\n",
     "*3\r\n$2\r\nv9\r\n$-1\r\n$3\r\n1.5\r\n*1\r\n$2\r\nv9\r\n"},
    {"HDEL h@ f1 f3 no\r\nHGETALL h@\r\nHKEYS h@\r\nHVALS h@\r\n",
     ":2\r\n*2\r\n$2\r\nf2\r\n$2\r\n42\r\n*1\r\n$2\r\nf2\r\n*1\r\n$2\r\n42\r\n"},
    {"HSET h@ f1\r\n", "-ERR wrong number of arguments for 'hset' command\r\n"},
    {"HSETNX h@ f2 1\r\nHMSET h@ a 1 b 2\r\nHGETALL no@\r\n", ":0\r\n+OK\r\n*0\r\n"},
    {"SADD s@ x y x\r\nSCARD s@\r\nSISMEMBER s@ x\r\nSISMEMBER s@ z\r\n",
     ":2\r\n:2\r\n:1\r\n:0\r\n"},
    {"SMISMEMBER s@ x z\r\nSMISMEMBER s@ x\r\nSREM s@ x z\r\nSMEMBERS s@\r\n",
     "*2\r\n:1\r\n:0\r\n*1\r\n:1\r\n:1\r\n*1\r\n$1\r\ny\r\n"},
    {"TYPE s@\r\nTYPE h@\r\nTYPE c@\r\nTYPE nope@\r\n", "+set\r\n+hash\r\n+string\r\n+none\r\n"},
    {"GET s@\r\nINCR h@\r\nHGET c@ f\r\nSADD h@ m\r\nMGET s@ c@\r\nAPPEND s@ x\r\n",
     WRONG WRONG WRONG WRONG "*2\r\n$-1\r\n$2\r\n42\r\n" WRONG},
    {"TTL c@\r\nTTL nope@\r\n", ":-1\r\n:-2\r\n"},
    {"SELECT 0\r\nSELECT 1\r\nSELECT x\r\n", "+OK\r\n-ERR DB index is out of range\r\n" NOT_INT},
    {"HELLO 3\r\n", "-NOPROTO unsupported protocol version\r\n"},
    {"COMMAND DOCS\r\nCLIENT SETNAME x\r\nCONFIG GET save\r\n", "*0\r\n+OK\r\n*0\r\n"},
    {"FOO a b\r\n", "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n"},
    {"GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n"},
    {"MULTI\r\n",
     "-ERR 'multi' is not supported: each command is carried out as a whole, and there "
     "are no transactions or channels; a pipeline goes without a transaction\r\n"},
    {"SCAN x\r\nSCAN 0 COUNT 0\r\nSCAN 0 FOO 1\r\nSCAN 0 MATCH\r\n",
     "-ERR invalid cursor\r\n-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n"},
    {"KEYS c@\r\nKEYS ?no@\r\n", "*1\r\n$2\r\nc@\r\n*0\r\n"},
    {"*3\r\n$3\r\nSET\r\n$5\r\na@\0\r\n\r\n", NULL}, /* see test_binary */
};

static void test_commands(void **state) {
    side s;
    bool ok = side_open(&s, *state, 0);
    char a[1000], b[1000];
    int fd = ok ? client(&s) : -1;
    for (size_t i = 0; ok && TALK[i][1]; i++)
        ok = says(&s, fd, own(a, TALK[i][0], mp_comm_rank(s.c)),
                  own(b, TALK[i][1], mp_comm_rank(s.c)));
    struct stat st;
    char folder[108];
    strcpy(folder, s.path);
    *strrchr(folder, '/') = 0;
    ok = ok && stat(folder, &st) == 0 && (st.st_mode & 0777) == 0700;
    ok = ok && stat(s.path, &st) == 0 && (st.st_mode & 0777) == 0700;
    close(fd);
    assert_true(side_close(&s, ok));
}

/* The table of commands is in order. */
static void test_table(void **state) {
    (void)state;
    for (int i = 1; i < mp_resp_n_commands(); i++)
        assert_true(strcmp(mp_resp_command_name(i - 1), mp_resp_command_name(i)) < 0);
}

/* Keys and values of any bytes; the talk above cut into single bytes gives the same answers. */
static void test_binary_and_cut(void **state) {
    side s;
    bool ok = side_open(&s, *state, 0);
    char a[1000], b[1000];
    int rank = mp_comm_rank(s.c), fd = client(&s);
    static const char set[] =
        "*3\r\n$3\r\nSET\r\n$4\r\n\0\r\n@\r\n$3\r\n\r\n\0\r\n*2\r\n$3\r\nGET\r\n$4\r\n\0\r\n@\r\n";
    mp_buf got;
    mp_buf_init(&got, NULL);
    memcpy(a, set, sizeof set);
    for (size_t i = 0; i < sizeof set; i++)
        if (a[i] == '@') a[i] = (char)('a' + rank);
    ok = ok && exchange(&s, fd, a, sizeof set - 1, &got, 14) &&
         memcmp(got.data, "+OK\r\n$3\r\n\r\n\0\r\n", 14) == 0;
    mp_buf_release(&got);
    for (size_t i = 0; ok && TALK[i][1]; i++) {
        own(a, TALK[i][0], rank);
        for (size_t k = 0; a[k] && ok; k++) {
            ok = send(fd, a + k, 1, 0) == 1;
            if (k % 3 == 0) ok = ok && turn(&s);
        }
        ok = ok && says(&s, fd, "", own(b, TALK[i][1], rank));
    }
    close(fd);
    assert_true(side_close(&s, ok));
}

/* Not RESP: an error in Redis's words, and the connection is closed; others do not notice. */
static void test_broken(void **state) {
    static const char *const v[][2] = {
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1048577\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*99999999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$a\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
        {"SET a \"b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"SET a \"b\"c\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"PING\r\n*1\r\n!\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n"},
    };
    side s;
    bool ok = side_open(&s, *state, 0);
    int other = client(&s);
    for (size_t i = 0; ok && i < sizeof v / sizeof *v; i++) {
        int fd = client(&s);
        mp_buf got;
        mp_buf_init(&got, NULL);
        ok = exchange(&s, fd, v[i][0], strlen(v[i][0]), &got, 0) && got.len == strlen(v[i][1]) &&
             memcmp(got.data, v[i][1], got.len) == 0;
        if (!ok) print_error("to %s came %.*s\n", v[i][0], (int)got.len, (char *)got.data);
        mp_buf_release(&got);
        close(fd);
        ok = ok && says(&s, other, "PING\r\n", "+PONG\r\n");
    }
    static char line[70000];
    memset(line, 'x', sizeof line - 1);
    int fd = client(&s);
    ok = ok && says(&s, fd, line, "-ERR Protocol error: too big inline request\r\n");
    close(fd);
    close(other);
    assert_true(side_close(&s, ok));
}

/* Random bytes from many connections; the server lives on. */
static void test_noise(void **state) {
    side s;
    bool ok = side_open(&s, *state, 64 << 20);
    uint64_t x = 88172645463325252u + (uint64_t)mp_comm_rank(s.c);
    static const char *const words[] = {"*3\r\n",
                                        "$3\r\n",
                                        "SET",
                                        "GET",
                                        "\r\n",
                                        "INCR k\r\n",
                                        "$-1\r\n",
                                        "*1\r\n",
                                        "HSET h a b\r\n",
                                        "*0\r\n",
                                        "$100\r\n",
                                        "\"",
                                        "KEYS *\r\n",
                                        "SCAN 0 COUNT 3\r\n",
                                        "MGET a b c d\r\n",
                                        "FLUSHALL\r\n",
                                        "QUIT\r\n"};
    for (int i = 0; i < 60 && ok; i++) {
        int fd = client(&s);
        for (int k = 0; k < 40; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            const char *w = words[x % (sizeof words / sizeof *words)];
            if (x % 29 == 0)
                (void)!send(fd, &x, 8, MSG_NOSIGNAL);
            else
                (void)!send(fd, w, strlen(w), MSG_NOSIGNAL);
            if (x % 5 == 0) ok = ok && turn(&s);
        }
        close(fd);
    }
    int fd = client(&s);
    ok = ok && says(&s, fd, "PING\r\n", "+PONG\r\n");
    close(fd);
    assert_true(side_close(&s, ok));
}

/* A pipeline sent before anything is read: all answers, in order, while memory stays bounded. */
static void test_pipeline(void **state) {
    enum { COMMANDS = 60000 };
    side s;
    bool ok = side_open(&s, *state, 0);
    int fd = client(&s), rank = mp_comm_rank(s.c);
    mp_buf send_buf, expected, got;
    mp_buf_init(&send_buf, NULL);
    mp_buf_init(&expected, NULL);
    mp_buf_init(&got, NULL);
    for (int i = 0; i < COMMANDS; i++) {
        mp_buf_printf(&send_buf, "INCR p%d-%d\r\n", rank, i % 100);
        mp_buf_printf(&expected, ":%d\r\n", i / 100 + 1);
    }
    ok = ok && exchange(&s, fd, send_buf.data, send_buf.len, &got, expected.len);
    ok = ok && memcmp(got.data, expected.data, got.len) == 0;
    ok = ok && s.mem.peak_bytes < 16 << 20;
    mp_buf_release(&send_buf);
    mp_buf_release(&expected);
    mp_buf_release(&got);
    close(fd);
    assert_true(side_close(&s, ok));
}

/* One that never reads is not read from any more, and holds up nobody; nor do half a command and a death in the
 * middle. */
static void test_bad_clients(void **state) {
    side s;
    bool ok = side_open(&s, *state, 0);
    char text[200];
    int rank = mp_comm_rank(s.c), deaf = client(&s), half = client(&s), good = client(&s);
    static char value[50001];
    memset(value, 'v', 50000);
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_buf_printf(&b, "SET big%d %s\r\n", rank, value);
    mp_buf_u8(&b, 0);
    ok = ok && says(&s, good, (const char *)b.data, "+OK\r\n");
    mp_buf_release(&b);
    snprintf(text, sizeof text, "GET big%d\r\n", rank);
    size_t sent = 0;
    int64_t until = mp_clock_ns() + 300 * INT64_C(1000000);
    while (ok && mp_clock_ns() < until) {
        ssize_t k = send(deaf, text, strlen(text), MSG_NOSIGNAL);
        if (k > 0) sent += (size_t)k;
        ok = turn(&s);
    }
    ok = ok && sent < 4 << 20 && s.mem.used_bytes < 32 << 20;
    send_text(half, "*3\r\n$3\r\nSET\r\n$400000000\r\nabc");
    snprintf(text, sizeof text, "INCR good%d\r\n", rank);
    for (int i = 1; i < 50 && ok; i++) {
        char answer[40];
        snprintf(answer, sizeof answer, ":%d\r\n", i);
        ok = says(&s, good, text, answer);
        int dies = client(&s);
        send_text(dies, "*2\r\n$3\r\nGET\r\n$100\r\nabc");
        if (i % 2) ok = ok && turn(&s);
        close(dies);
    }
    /* fire and forget: what was sent before the close is carried out */
    int forgets = client(&s);
    for (int i = 0; i < 100; i++)
        ok = ok && send(forgets, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
    close(forgets);
    for (int i = 0; i < 200 && ok; i++)
        ok = turn(&s);
    ok = ok && says(&s, good, text, ":150\r\n");
    ok = ok && mp_resp_server_stats(s.server).connected == 3;
    close(deaf);
    close(half);
    close(good);
    assert_true(side_close(&s, ok));
}

/* A value of 6 MB there and back, twice at once. */
static void test_large_value(void **state) {
    enum { LENGTH = 6000000 };
    side s;
    bool ok = side_open(&s, *state, 0);
    int fd = client(&s);
    mp_buf b, got;
    mp_buf_init(&b, NULL);
    mp_buf_init(&got, NULL);
    char key[40];
    snprintf(key, sizeof key, "large%d", mp_comm_rank(s.c));
    mp_buf_printf(&b, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n", strlen(key), key, LENGTH);
    for (int i = 0; i < LENGTH; i++)
        mp_buf_u8(&b, (uint8_t)(i * 31 + i / 7));
    mp_buf_printf(&b, "\r\nGET %s\r\nGET %s\r\n", key, key);
    size_t n = 5 + 2 * (LENGTH + 12);
    ok = ok && exchange(&s, fd, b.data, b.len, &got, n) &&
         memcmp(got.data, "+OK\r\n$6000000\r\n", 15) == 0;
    for (int i = 0; i < LENGTH && ok; i += 11)
        ok = got.data[15 + i] == (uint8_t)(i * 31 + i / 7) &&
             got.data[15 + LENGTH + 12 + i] == (uint8_t)(i * 31 + i / 7);
    mp_buf_release(&b);
    mp_buf_release(&got);
    close(fd);
    assert_true(side_close(&s, ok));
}

/* The owner's limit is an answer that names it; what was stored stays. */
static void test_memory(void **state) {
    side s;
    bool ok = side_open(&s, *state, 1 << 20), refused = false;
    int fd = client(&s);
    static char value[10001];
    memset(value, 'v', 10000);
    for (int i = 0; i < 1000 && ok && !refused; i++) {
        mp_buf b, got;
        mp_buf_init(&b, NULL);
        mp_buf_init(&got, NULL);
        mp_buf_printf(&b, "SET m%d-%d %s\r\n", mp_comm_rank(s.c), i, value);
        ok = exchange(&s, fd, b.data, b.len, &got, 4);
        if (ok && memcmp(got.data, "-OOM", 4) == 0) {
            char rest[400] = "";
            refused = true;
            mp_buf_release(&got);
            mp_buf_init(&got, NULL);
            ok = exchange(&s, fd, "PING\r\n", 6, &got, 120);
            memcpy(rest, got.data, got.len < 399 ? got.len : 399);
            ok = strstr(rest, "maxmemory") && strstr(rest, "1.0 MiB");
        } else {
            ok = ok && exchange(&s, fd, "", 0, &got, 5) && memcmp(got.data, "+OK\r\n", 5) == 0;
        }
        mp_buf_release(&b);
        mp_buf_release(&got);
    }
    char text[60];
    close(fd);
    fd = client(&s);
    snprintf(text, sizeof text, "STRLEN m%d-0\r\n", mp_comm_rank(s.c));
    ok = ok && refused && says(&s, fd, text, ":10000\r\n");
    close(fd);
    assert_true(side_close(&s, ok));
}

/* SCAN gives every key that is there all the time, over all ranks. */
static void test_scan(void **state) {
    enum { KEYS = 2000 };
    side s;
    bool ok = side_open(&s, *state, 0);
    int fd = client(&s), seen = 0, calls = 0;
    char text[100], cursor[32] = "0";
    for (int i = mp_comm_rank(s.c); i < KEYS && ok; i += mp_comm_size(s.c)) {
        snprintf(text, sizeof text, "SET scan%d 1\r\n", i);
        ok = says(&s, fd, text, "+OK\r\n");
    }
    ok = everywhere(s.c, ok);
    static bool there[KEYS];
    memset(there, 0, sizeof there);
    do {
        mp_buf got;
        mp_buf_init(&got, NULL);
        snprintf(text, sizeof text, "SCAN %s COUNT 100 MATCH scan*\r\nPING\r\n", cursor);
        (void)!send(fd, text, strlen(text), 0);
        int64_t until = mp_clock_ns() + INT64_C(20000000000);
        while (ok && (got.len < 7 || memcmp(got.data + got.len - 7, "+PONG\r\n", 7) != 0)) {
            static uint8_t piece[1 << 14];
            ssize_t n = recv(fd, piece, sizeof piece, 0);
            if (n > 0) mp_buf_put(&got, piece, (size_t)n);
            ok = turn(&s) && mp_clock_ns() < until;
        }
        mp_buf_u8(&got, 0);
        char *at = (char *)got.data;
        ok = ok && sscanf(at, "*2\r\n$%*d\r\n%31[0-9]", cursor) == 1;
        while (ok && (at = strstr(at, "\r\nscan")) != NULL) {
            int k = atoi(at += 6);
            if (!there[k]) seen++;
            there[k] = true;
        }
        mp_buf_release(&got);
    } while (ok && strcmp(cursor, "0") != 0 && ++calls < 10000);
    ok = ok && seen == KEYS;
    snprintf(text, sizeof text, ":%d\r\n", KEYS);
    ok = ok && says(&s, fd, "DBSIZE\r\n", text);
    close(fd);
    assert_true(side_close(&s, ok));
}

/* Four clients of each rank increment shared keys, unread answers and all: exact in the end. */
static void test_shared_counters(void **state) {
    enum { CLIENTS = 4, EACH = 2500, KEYS = 100 };
    side s;
    bool ok = side_open(&s, *state, 0);
    int fd[CLIENTS];
    mp_buf b, got;
    mp_buf_init(&b, NULL);
    for (int i = 0; i < EACH; i++)
        mp_buf_printf(&b, "INCR shared%d\r\n", i % KEYS);
    size_t at[CLIENTS] = {0};
    for (int k = 0; k < CLIENTS; k++)
        fd[k] = client(&s);
    static char sink[1 << 16];
    int left = CLIENTS;
    int64_t lines[CLIENTS] = {0}, until = mp_clock_ns() + INT64_C(30000000000);
    while (left > 0 && ok && mp_clock_ns() < until) {
        for (int k = 0; k < CLIENTS; k++) {
            ssize_t n =
                at[k] < b.len ? send(fd[k], b.data + at[k], b.len - at[k], MSG_NOSIGNAL) : 0;
            if (n > 0) at[k] += (size_t)n;
            n = recv(fd[k], sink, sizeof sink, 0);
            for (ssize_t i = 0; i < n; i++)
                lines[k] += sink[i] == '\n';
            if (n > 0 && lines[k] == EACH) left--;
        }
        ok = turn(&s);
    }
    ok = everywhere(s.c, ok && left == 0);
    mp_buf_init(&got, NULL);
    for (int i = 0; i < KEYS && ok; i++) {
        char text[60], answer[60], number[32];
        int n = snprintf(number, sizeof number, "%d", mp_comm_size(s.c) * CLIENTS * EACH / KEYS);
        snprintf(text, sizeof text, "GET shared%d\r\n", i);
        snprintf(answer, sizeof answer, "$%d\r\n%s\r\n", n, number);
        ok = says(&s, fd[0], text, answer);
    }
    for (int k = 0; k < CLIENTS; k++)
        close(fd[k]);
    mp_buf_release(&b);
    assert_true(side_close(&s, ok));
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 110);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_commands),
        cmocka_unit_test(test_binary_and_cut),  cmocka_unit_test(test_broken),
        cmocka_unit_test(test_noise),           cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_bad_clients),     cmocka_unit_test(test_large_value),
        cmocka_unit_test(test_memory),          cmocka_unit_test(test_scan),
        cmocka_unit_test(test_shared_counters),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
