/* ws_table.c: splitting and merging the buckets of a linear hash table; see ws_table.h. */
#include "ws_table.h"

#define FIRST_ROOM 4u /* buckets: the smallest block of a pool */

static void push(const tw_pool *pool, tw_ws_table *table, tw_ref ref) {
    tw_ws_link *link = tw_ws_link_at(pool, ref);
    tw_ref *first = tw_ws_bucket(pool, table, tw_ws_bucket_of(table, link->hash));
    link->next = *first;
    *first = ref;
}

/* Moves the directory to one of `room` buckets. False: no memory; nothing changed. */
static bool resize_directory(tw_pool *pool, tw_ws_table *table, uint32_t room) {
    if (!tw_pool_move(pool, &table->directory, table->room * sizeof(tw_ref), room * sizeof(tw_ref),
                      table->buckets * sizeof(tw_ref)))
        return false;
    table->room = room;
    return true;
}

static bool open_directory(tw_pool *pool, tw_ws_table *table) {
    if (!resize_directory(pool, table, FIRST_ROOM))
        return false;
    table->buckets = 1;
    *tw_ws_bucket(pool, table, 0) = 0;
    return true;
}

/* One bucket more: it takes its part of the entries of the one whose number is its own without the highest bit. */
static void split(tw_pool *pool, tw_ws_table *table) {
    if (table->buckets == table->room && !resize_directory(pool, table, table->room * 2))
        return;
    uint32_t fresh = table->buckets, parent = fresh - tw_ws_power_below(fresh);
    tw_ref ref = *tw_ws_bucket(pool, table, parent);
    *tw_ws_bucket(pool, table, parent) = *tw_ws_bucket(pool, table, fresh) = 0;
    table->buckets++;
    while (ref) {
        tw_ref next = tw_ws_link_at(pool, ref)->next;
        push(pool, table, ref);
        ref = next;
    }
}

/* One bucket less: its entries go to the end of the chain that they once came from. */
static void merge(tw_pool *pool, tw_ws_table *table) {
    uint32_t last = --table->buckets;
    tw_ref *end = tw_ws_bucket(pool, table, last - tw_ws_power_below(last));
    while (*end)
        end = &tw_ws_link_at(pool, *end)->next;
    *end = *tw_ws_bucket(pool, table, last);
    if (table->room > FIRST_ROOM && table->buckets <= table->room / 4)
        resize_directory(pool, table, table->room / 2);
}

bool tw_ws_table_insert(tw_pool *pool, tw_ws_table *table, tw_ref ref) {
    if (!table->directory && !open_directory(pool, table))
        return false;
    push(pool, table, ref);
    if (++table->entries > table->buckets)
        split(pool, table);
    return true;
}

void tw_ws_table_remove(tw_pool *pool, tw_ws_table *table, tw_ref ref) {
    tw_ws_link *link = tw_ws_link_at(pool, ref);
    tw_ref *at = tw_ws_bucket(pool, table, tw_ws_bucket_of(table, link->hash));
    while (*at != ref)
        at = &tw_ws_link_at(pool, *at)->next;
    *at = link->next;
    if (--table->entries == 0) {
        table->buckets = 0;
        resize_directory(pool, table, 0);
        return;
    }
    for (int merges = 0; merges < 2 && table->entries < table->buckets / 2; merges++)
        merge(pool, table);
}
