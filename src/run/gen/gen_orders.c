/* gen_orders.c - orders of a shop in 2024: what a newcomer tries the first queries on.
 * Names have commas, quotes and letters beyond ASCII; some regions are null, and whether an order
 * is paid is sometimes unknown. */
#include <string.h>

#include "data/date.h"
#include "run/gen/gen_table.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const char *const customers[] = {
    "\"Okafor, Ada\"", "Bo Lindqvist",     "\"Chen, Mei\"",       "Dana Kowalski",
    "Emil Novák",      "\"Rossi, Fabio\"", "Grace O'Neill",       "\"Hassan \"\"Huss\"\" Amin\"",
    "Inés Álvarez",    "\"Tanaka, Jun\"",  "Kofi Mensah",         "\"Dubois, Léa\"",
    "Mia Schröder",    "Noah Fischer",     "\"Patel, Olivia\"",   "\"Priya \"\"P.\"\" Nair\"",
    "Quentin Moreau",  "Rosa Jiménez",     "\"Smith, Sam, Jr.\"", "Tove Hansen",
};
static const char *const regions[] = {"north", "south", "east", "west", "centre"};
static const struct {
    const char *name;
    uint32_t price_cents;
} products[] = {{"pencil", 80},       {"notebook", 350},  {"\"lamp, small\"", 1999},
                {"chair", 8900},      {"desk", 24950},    {"\"screen 27\"\"\"", 21900},
                {"keyboard", 4550},   {"mouse", 2490},    {"\"cable, 2 m\"", 725},
                {"headphones", 5999}, {"backpack", 4200}, {"bottle", 1250}};

static char *put(char *out, const char *text) {
    size_t n = strlen(text);
    memcpy(out, text, n);
    *(out + n) = ',';
    return out + n + 1;
}

static char *put_price(char *out, uint64_t cents) {
    out = mp_gen_uint(out, cents / 100);
    *out++ = '.';
    out = mp_gen_padded(out, cents % 100, 2);
    *out++ = ',';
    return out;
}

char *mp_gen_orders_row(const mp_gen_table *t, uint64_t i, char *out) {
    const int64_t first_day = 19723; /* 2024-01-01 */
    uint64_t day = (uint64_t)((unsigned __int128)i * 366 / t->n_rows);
    uint64_t product = mp_gen_below(t, 2, i, COUNT_OF(products));
    uint64_t discount = mp_gen_below(t, 4, i, 4) * 5; /* percent */
    uint64_t paid = mp_gen_below(t, 6, i, 100);
    out = mp_gen_uint(out, i + 1);
    *out++ = ',';
    out += mp_print_date(out, first_day + (int64_t)day);
    *out++ = ',';
    out = put(out, customers[mp_gen_below(t, 0, i, COUNT_OF(customers))]);
    out = put(out, mp_gen_below(t, 5, i, 64) == 0
                       ? ""
                       : regions[mp_gen_below(t, 1, i, COUNT_OF(regions))]);
    out = put(out, products[product].name);
    out = mp_gen_uint(out, mp_gen_below(t, 3, i, 12) + 1);
    *out++ = ',';
    out = put_price(out, (uint64_t)products[product].price_cents * (100 - discount) / 100);
    out = put(out, paid < 88 ? "true" : paid < 97 ? "false" : "");
    out[-1] = '\n';
    return out;
}
