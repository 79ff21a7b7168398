#include "mapping_registry.h"

#include <mutex>
#include <unordered_map>

namespace snapheap {
namespace {

struct State {
  std::mutex mutex;
  std::unordered_map<const void*, Mapping*> live;
};

// Never destroyed: a worker thread may still give windows back while the process exits.
State& Shared() {
  static State* state = new State;
  return *state;
}

}  // namespace

void MappingRegistry::Add(Mapping* mapping) {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.mutex);
  state.live[mapping->data()] = mapping;
}

Mapping* MappingRegistry::Find(const void* address) {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.mutex);
  const auto found = state.live.find(address);
  return found == state.live.end() ? nullptr : found->second;
}

void MappingRegistry::Remove(const Mapping* mapping) {
  State& state = Shared();
  const std::lock_guard<std::mutex> guard(state.mutex);
  const auto found = state.live.find(mapping->data());
  if (found != state.live.end() && found->second == mapping) state.live.erase(found);
}

}  // namespace snapheap
