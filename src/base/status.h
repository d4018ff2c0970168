/* status.h - the one list of status codes: name, text and exit code.
 * Invariant: every fallible function returns one of these; MP_OK is 0. */
#ifndef MP_BASE_STATUS_H
#define MP_BASE_STATUS_H

/* X(name, exit code, text) */
#define MP_STATUS_LIST(X)                                                                          \
    X(MP_OK, 0, "done")                                                                            \
    X(MP_FAILED, 1, "failed")                                                                      \
    X(MP_USAGE, 2, "usage error")                                                                  \
    X(MP_PARTIAL, 3, "finished, but some items failed or rows were rejected")                      \
    X(MP_DATA, 65, "bad data")                                                                     \
    X(MP_IO, 74, "cannot read or write")                                                           \
    X(MP_STOPPED, 75, "stopped early")                                                             \
    X(MP_NOMEM, 1, "out of memory")                                                                \
    X(MP_INTERRUPTED, 130, "interrupted")

typedef enum {
#define MP_STATUS_ENUM(name, code, text) name,
    MP_STATUS_LIST(MP_STATUS_ENUM)
#undef MP_STATUS_ENUM
        MP_STATUS_COUNT
} mp_status;

#define MP_MUST_CHECK __attribute__((warn_unused_result))
#define MP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Exit code of the process for this status. */
int mp_status_exit_code(mp_status s);
/* One or a few words, for messages ("bad data"). */
const char *mp_status_text(mp_status s);

#endif
