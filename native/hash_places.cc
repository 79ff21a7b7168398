#include "hash_places.h"

#include "prefetch.h"

namespace snapheap {

bool PrefetchPlaces(const HeapWords& heap, uint32_t table, const uint32_t* hashes, size_t count) {
  const uint32_t* descriptor = heap.At(table);
  if (descriptor == nullptr || descriptor[1] > kHashBits) return false;
  HashPlace place;
  for (size_t i = 0; i < count; i++) {
    if (!FindPlace(heap, descriptor, hashes[i] & kHashMask, &place)) return false;
    const uint32_t* slot = heap.At(place.segment + place.slot);
    if (slot == nullptr) return false;
    Prefetch(slot);
  }
  return true;
}

}  // namespace snapheap
