/* access_slot.h: the access list that workers use, and how it is exchanged while they do.
 *
 * A worker says which list it uses before it does, and that it uses none when it is done; whoever exchanges the list
 * waits until nobody says the old one. No reader ever blocks.
 */
#ifndef TW_ACCESS_SLOT_H
#define TW_ACCESS_SLOT_H

#include "lock.h"

#include <sched.h>

#define TW_ACCESS_USERS_MAX 1024

typedef struct {
    _Atomic(const tw_access_list *) using;
} tw_access_user;

typedef struct {
    _Atomic(const tw_access_list *) list;
    tw_lock lock; /* guards the users */
    uint32_t count;
    tw_access_user *users[TW_ACCESS_USERS_MAX];
} tw_access_slot;

/* Returns when nobody uses the former list any more. */
static inline void tw_access_exchange(tw_access_slot *slot, const tw_access_list *list) {
    const tw_access_list *old = atomic_exchange(&slot->list, list);
    if (!old || old == list)
        return;
    tw_lock_take(&slot->lock);
    for (uint32_t i = 0; i < slot->count; i++)
        while (atomic_load(&slot->users[i]->using) == old)
            sched_yield();
    tw_lock_give(&slot->lock);
}

/* The second look tells that nobody exchanged it in between. */
TW_INLINE const tw_access_list *tw_access_adopt(tw_access_slot *slot, tw_access_user *user) {
    const tw_access_list *list;
    do {
        list = atomic_load(&slot->list);
        atomic_store(&user->using, list);
    } while (list != atomic_load(&slot->list));
    return list;
}

TW_INLINE void tw_access_drop(tw_access_user *user) {
    atomic_store(&user->using, NULL);
}

/* False: there are too many. */
static inline bool tw_access_enlist(tw_access_slot *slot, tw_access_user *user) {
    tw_lock_take(&slot->lock);
    bool room = slot->count < TW_ACCESS_USERS_MAX;
    if (room)
        slot->users[slot->count++] = user;
    tw_lock_give(&slot->lock);
    return room;
}

static inline void tw_access_delist(tw_access_slot *slot, const tw_access_user *user) {
    tw_lock_take(&slot->lock);
    for (uint32_t i = 0; i < slot->count; i++)
        if (slot->users[i] == user)
            slot->users[i] = slot->users[--slot->count];
    tw_lock_give(&slot->lock);
}

#endif
