/* status.c - exit code and text of every status, from the one list in status.h. */
#include "base/status.h"

int mp_status_exit_code(mp_status s) {
    switch (s) {
#define STATUS_CODE(name, code, text)                                                              \
    case name:                                                                                     \
        return code;
        MP_STATUS_LIST(STATUS_CODE)
#undef STATUS_CODE
    case MP_STATUS_COUNT:
        break;
    }
    return 1;
}

const char *mp_status_text(mp_status s) {
    switch (s) {
#define STATUS_TEXT(name, code, text)                                                              \
    case name:                                                                                     \
        return text;
        MP_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    case MP_STATUS_COUNT:
        break;
    }
    return "unknown status";
}
