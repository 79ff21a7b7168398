#pragma once

#include <napi.h>

#include <cmath>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "heap_words.h"

// How the N-API boundary takes arguments, and tells of errors. A wrong argument throws a TypeError or RangeError.
namespace snapheap {

constexpr double kMaxFileOffset = 9007199254740991;  // Number.MAX_SAFE_INTEGER

// What a block table can name.
constexpr uint32_t kMostWindows = 65536;

inline double Integer(const Napi::CallbackInfo& info, size_t index, const char* name, double max) {
  if (!info[index].IsNumber()) throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a number");
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (!(value >= 0 && value <= max) || value != std::floor(value)) {
    throw Napi::RangeError::New(info.Env(), std::string(name) + " is out of range");
  }
  return value;
}

inline int Descriptor(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int>(Integer(info, index, "fd", 2147483647));
}

// What the operating system refused, its number as `code`.
inline Napi::Error SystemError(Napi::Env env, const char* call, const std::error_code& error) {
  Napi::Error refused = Napi::Error::New(env, std::string(call) + ": " + error.message());
  refused.Set("code", Napi::Number::New(env, error.value()));
  return refused;
}

template <typename Element>
struct Array {
  Element* data;
  size_t length;
};

template <typename Element>
Array<Element> TypedArray(const Napi::CallbackInfo& info, size_t index, const char* name, napi_typedarray_type type) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != type) {
    throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a typed array of another kind");
  }
  auto array = info[index].As<Napi::TypedArrayOf<Element>>();
  return {array.Data(), array.ElementLength()};
}

// What is written must not change what was checked.
inline void CheckApart(Napi::Env env, const void* one, size_t one_bytes, const void* other, size_t other_bytes) {
  const auto a = reinterpret_cast<uintptr_t>(one);
  const auto b = reinterpret_cast<uintptr_t>(other);
  if (a < b + other_bytes && b < a + one_bytes) throw Napi::RangeError::New(env, "the arrays overlap");
}

// A block table and the array of windows that it leads to. An element of that may be anything, a getter too: take it
// before any other argument, whose memory such a getter could take away. `kept` gets what has to be kept from the
// collector for work that goes on after the call.
inline HeapWords Words(const Napi::CallbackInfo& info, size_t index, std::vector<Napi::ObjectReference>* kept = nullptr) {
  if (!info[index + 1].IsArray()) throw Napi::TypeError::New(info.Env(), "windows must be an array");
  const auto array = info[index + 1].As<Napi::Array>();
  if (array.Length() > kMostWindows) throw Napi::RangeError::New(info.Env(), "there are too many windows");
  std::vector<Napi::Value> buffers;
  for (uint32_t slot = 0; slot < array.Length(); slot++) buffers.push_back(array.Get(slot));
  const auto table = TypedArray<uint32_t>(info, index, "table", napi_uint32_array);
  std::vector<HeapWords::Window> windows;
  for (const Napi::Value& each : buffers) {
    if (!each.IsArrayBuffer()) {
      windows.push_back({nullptr, 0});
      continue;
    }
    auto window = each.As<Napi::ArrayBuffer>();
    if (kept != nullptr) kept->push_back(Napi::Persistent(each.As<Napi::Object>()));
    windows.push_back({static_cast<const uint32_t*>(window.Data()), window.ByteLength() / kBlockBytes});
  }
  if (kept != nullptr) kept->push_back(Napi::Persistent(info[index].As<Napi::Object>()));
  return HeapWords(table.data, table.length, std::move(windows));
}

}  // namespace snapheap
