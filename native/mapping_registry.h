#pragma once

#include <cstdint>

#include "mapping.h"

namespace snapheap {

// Which mappings of this process are live, by address: how a buffer handed in from JavaScript is recognised as one of
// ours, and told apart from memory of another owner. Shared by every thread that loads the addon.
//
// A found mapping stays valid while its caller runs: a window belongs to one thread, and only that thread removes it.
class MappingRegistry {
 public:
  static void Add(Mapping* mapping);
  // The live mapping that begins at this address, or nullptr.
  static Mapping* Find(const void* address);
  // Forgets a mapping, before its memory is given back. Idempotent.
  static void Remove(const Mapping* mapping);
};

}  // namespace snapheap
