#pragma once

#include <napi.h>

#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

// How a call crosses the N-API boundary. No C++ exception but a Napi::Error may: it would end the process. What is
// called throws others only for memory that it cannot get; JavaScript sees an Error with the code ENOMEM. What it was
// to write is undefined then.
namespace snapheap {

inline Napi::Error NoMemory(Napi::Env env) {
  Napi::Error error = Napi::Error::New(env, "out of memory");
  error.Set("code", "ENOMEM");
  return error;
}

// Runs `call`. False when it could not get memory.
template <typename Call>
bool HasMemoryFor(Call call) {
  try {
    call();
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  } catch (const std::length_error&) {  // more elements than any vector holds
    return false;
  }
}

template <auto Call>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  Napi::Value result = info.Env().Undefined();
  const bool is_done = HasMemoryFor([&] {
    if constexpr (std::is_void_v<decltype(Call(info))>) Call(info);
    else result = Call(info);
  });
  if (!is_done) throw NoMemory(info.Env());
  return result;
}

// The only way that a function is exported.
template <auto Call>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Guarded<Call>>(env, name));
}

// Work in a thread of libuv's pool, and the promise that it settles. Queue() it and forget it: it deletes itself when
// it is done.
class PoolWork : public Napi::AsyncWorker {
 public:
  PoolWork(Napi::Env env, const char* name) : Napi::AsyncWorker(env, name), done_(Napi::Promise::Deferred::New(env)) {}

  // Keeps from the collector what the work needs.
  void Keep(std::vector<Napi::ObjectReference> kept) { kept_ = std::move(kept); }

  Napi::Promise Promise() const { return done_.Promise(); }

 protected:
  // Returns what is wrong, null for nothing.
  virtual const char* Run() = 0;

  // What is told of that.
  virtual Napi::Error Fault(const char* what) { return Napi::Error::New(Env(), what); }

 private:
  void Execute() final {
    has_memory_ = HasMemoryFor([&] { fault_ = Run(); });
  }

  // Called whatever came of it: Execute reports nothing to the base class, which would need memory for that.
  void OnOK() final {
    if (!has_memory_) done_.Reject(NoMemory(Env()).Value());
    else if (fault_ != nullptr) done_.Reject(Fault(fault_).Value());
    else done_.Resolve(Env().Undefined());
  }

  const Napi::Promise::Deferred done_;
  std::vector<Napi::ObjectReference> kept_;
  const char* fault_ = nullptr;
  bool has_memory_ = true;
};

}  // namespace snapheap
