// The N-API boundary: checks arguments, turns them into plain C++ and results into JavaScript. A wrong argument throws a
// TypeError or RangeError, a refusal by the operating system an Error with `code`. The work is done elsewhere.
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "block_copy.h"
#include "bytes.h"
#include "copy_lines.h"
#include "crc32c.h"
#include "file_lock.h"
#include "folder_sync.h"
#include "heap_words.h"
#include "index_layout.h"
#include "mapping.h"
#include "mapping_registry.h"
#include "number_text.h"
#include "text_groups.h"
#include "text_objects.h"
#include "word_hash.h"
#include "word_records.h"
#include "write_back.h"

namespace {

using snapheap::Advice;
using snapheap::FileLock;
using snapheap::HeapWords;
using snapheap::Mapping;
using snapheap::MappingRegistry;

// Tells lock handles apart from other externals.
constexpr napi_type_tag kLockTag = {0x7b1c6fb06f4a4d0c, 0x9c2b8c1ad3a24e57};

constexpr double kMaxFileOffset = 9007199254740991;  // Number.MAX_SAFE_INTEGER

[[noreturn]] void ThrowSystemError(Napi::Env env, const char* call, const std::error_code& error) {
  Napi::Error thrown = Napi::Error::New(env, std::string(call) + ": " + error.message());
  thrown.Set("code", Napi::Number::New(env, error.value()));
  throw thrown;
}

double Integer(const Napi::CallbackInfo& info, size_t index, const char* name, double max) {
  if (!info[index].IsNumber()) throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a number");
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (!(value >= 0 && value <= max) || value != std::floor(value)) {
    throw Napi::RangeError::New(info.Env(), std::string(name) + " is out of range");
  }
  return value;
}

size_t WindowSize(const Napi::CallbackInfo& info, size_t index) {
  const double size = Integer(info, index, "sizeBytes", static_cast<double>(snapheap::kMaxWindowBytes));
  if (size == 0) throw Napi::RangeError::New(info.Env(), "sizeBytes must not be 0");
  return static_cast<size_t>(size);
}

int Descriptor(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int>(Integer(info, index, "fd", 2147483647));
}

std::string Path(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) throw Napi::TypeError::New(info.Env(), "path must be a string");
  std::string path = info[index].As<Napi::String>().Utf8Value();
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(info.Env(), "path must not be empty nor contain a zero byte");
  }
  return path;
}

Napi::ArrayBuffer Buffer(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsArrayBuffer()) throw Napi::TypeError::New(info.Env(), "window must be an ArrayBuffer");
  return info[index].As<Napi::ArrayBuffer>();
}

// The live mapping behind an ArrayBuffer: throws for a detached one and for memory that is not ours.
Mapping* Window(const Napi::CallbackInfo& info, size_t index) {
  Napi::ArrayBuffer buffer = Buffer(info, index);
  Mapping* mapping = buffer.IsDetached() ? nullptr : MappingRegistry::Find(buffer.Data());
  if (mapping == nullptr) throw Napi::TypeError::New(info.Env(), "window is not mapped");
  return mapping;
}

struct Range {
  size_t offset;
  size_t size;
};

Range RangeInside(const Napi::CallbackInfo& info, size_t index, const Mapping& mapping) {
  const double whole = static_cast<double>(mapping.size());
  const double offset = Integer(info, index, "offsetBytes", whole);
  const double size = Integer(info, index + 1, "sizeBytes", whole - offset);
  return {static_cast<size_t>(offset), static_cast<size_t>(size)};
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
void CheckApart(Napi::Env env, const void* one, size_t one_bytes, const void* other, size_t other_bytes) {
  const auto a = reinterpret_cast<uintptr_t>(one);
  const auto b = reinterpret_cast<uintptr_t>(other);
  if (a < b + other_bytes && b < a + one_bytes) throw Napi::RangeError::New(env, "the arrays overlap");
}

// A block table and the array of windows that it leads to.
HeapWords Words(const Napi::CallbackInfo& info, size_t index) {
  const auto table = TypedArray<uint32_t>(info, index, "table", napi_uint32_array);
  if (!info[index + 1].IsArray()) throw Napi::TypeError::New(info.Env(), "windows must be an array");
  const auto array = info[index + 1].As<Napi::Array>();
  std::vector<HeapWords::Window> windows;
  for (uint32_t slot = 0; slot < array.Length(); slot++) {
    const Napi::Value each = array.Get(slot);
    if (!each.IsArrayBuffer()) {
      windows.push_back({nullptr, 0});
      continue;
    }
    auto window = each.As<Napi::ArrayBuffer>();
    windows.push_back({static_cast<const uint32_t*>(window.Data()), window.ByteLength() / snapheap::kBlockBytes});
  }
  return HeapWords(table.data, table.length, std::move(windows));
}

// Runs when the ArrayBuffer is collected, some time after `unmap`, or when its thread ends.
void FinalizeWindow(napi_env, void*, void* hint) {
  const std::unique_ptr<Mapping> mapping(static_cast<Mapping*>(hint));
  MappingRegistry::Remove(mapping.get());
}

Napi::Value WrapWindow(Napi::Env env, std::unique_ptr<Mapping> mapping) {
  napi_value window = nullptr;
  MappingRegistry::Add(mapping.get());
  const napi_status status = napi_create_external_arraybuffer(env, mapping->data(), mapping->size(), FinalizeWindow,
                                                              mapping.get(), &window);
  if (status != napi_ok) {
    MappingRegistry::Remove(mapping.get());
    throw Napi::Error::New(env, "this JavaScript engine does not allow external buffers");
  }
  mapping.release();
  return Napi::Value(env, window);
}

Napi::Value MapFile(const Napi::CallbackInfo& info) {
  const int fd = Descriptor(info, 0);
  const double offset = Integer(info, 1, "offsetBytes", kMaxFileOffset);
  const size_t size = WindowSize(info, 2);
  auto mapping = std::make_unique<Mapping>();
  const std::error_code error = mapping->MapFile(fd, static_cast<uint64_t>(offset), size);
  if (error) ThrowSystemError(info.Env(), "mmap", error);
  return WrapWindow(info.Env(), std::move(mapping));
}

Napi::Value Allocate(const Napi::CallbackInfo& info) {
  auto mapping = std::make_unique<Mapping>();
  const std::error_code error = mapping->Allocate(WindowSize(info, 0));
  if (error) ThrowSystemError(info.Env(), "mmap", error);
  return WrapWindow(info.Env(), std::move(mapping));
}

// Detached first: from then on no JavaScript reaches the memory. FinalizeWindow deletes the Mapping; an engine that runs it
// within Detach has taken it out of the registry by then.
void Unmap(const Napi::CallbackInfo& info) {
  Mapping* mapping = Window(info, 0);
  const void* address = mapping->data();
  Buffer(info, 0).Detach();
  if (MappingRegistry::Find(address) != mapping) return;
  MappingRegistry::Remove(mapping);
  mapping->Unmap();
}

void Advise(const Napi::CallbackInfo& info) {
  Mapping* mapping = Window(info, 0);
  const Range range = RangeInside(info, 1, *mapping);
  const auto advice = static_cast<Advice>(Integer(info, 3, "advice", snapheap::kAdviceCount - 1));
  const std::error_code error = mapping->Advise(range.offset, range.size, advice);
  if (error) ThrowSystemError(info.Env(), "madvise", error);
}

Napi::Value Incore(const Napi::CallbackInfo& info) {
  const Mapping* mapping = Window(info, 0);
  const Range range = RangeInside(info, 1, *mapping);
  snapheap::Residency residency;
  const std::error_code error = mapping->CountResident(range.offset, range.size, &residency);
  if (error) ThrowSystemError(info.Env(), "mincore", error);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("residentPages", Napi::Number::New(info.Env(), static_cast<double>(residency.resident_pages)));
  result.Set("pages", Napi::Number::New(info.Env(), static_cast<double>(residency.pages)));
  return result;
}

void Sync(const Napi::CallbackInfo& info) {
  Mapping* mapping = Window(info, 0);
  if (!mapping->is_file()) throw Napi::TypeError::New(info.Env(), "window is not one of a file");
  const int fd = Descriptor(info, 1);
  const double file_offset = Integer(info, 2, "fileOffsetBytes", kMaxFileOffset);
  const Range range = RangeInside(info, 3, *mapping);
  if (file_offset < static_cast<double>(range.offset)) {
    throw Napi::RangeError::New(info.Env(), "fileOffsetBytes is out of range");
  }
  const std::error_code error = mapping->Sync(fd, static_cast<uint64_t>(file_offset), range.offset, range.size);
  if (error) ThrowSystemError(info.Env(), "msync", error);
}

Napi::Value Crc32c(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(info.Env(), "bytes must be a Uint8Array");
  }
  const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const double seed = Integer(info, 1, "seed", 4294967295.0);
  const uint32_t crc = snapheap::Crc32c(bytes.Data(), bytes.ByteLength(), static_cast<uint32_t>(seed));
  return Napi::Number::New(info.Env(), crc);
}

void Copy(const Napi::CallbackInfo& info) {
  Napi::ArrayBuffer target = Buffer(info, 0);
  const double target_offset = Integer(info, 1, "targetOffsetBytes", kMaxFileOffset);
  Napi::ArrayBuffer source = Buffer(info, 2);
  const double source_offset = Integer(info, 3, "sourceOffsetBytes", kMaxFileOffset);
  const double size = Integer(info, 4, "sizeBytes", kMaxFileOffset);
  const Mapping* mapping = MappingRegistry::Find(target.Data());
  if (mapping != nullptr && mapping->is_file()) throw Napi::TypeError::New(info.Env(), "target is read-only");
  const bool is_copied = snapheap::CopyBlock(
      {static_cast<uint8_t*>(target.Data()), target.ByteLength()}, static_cast<uint64_t>(target_offset),
      {static_cast<uint8_t*>(source.Data()), source.ByteLength()}, static_cast<uint64_t>(source_offset),
      static_cast<uint64_t>(size));
  if (!is_copied) throw Napi::RangeError::New(info.Env(), "the range leaves its window");
}

// (table, windows, hash table, seed, bytes, starts, ends, first, count, words, at, groups) -> number of groups
Napi::Value GroupTexts(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const auto hash_table = static_cast<uint32_t>(Integer(info, 2, "address", 4294967295.0));
  const auto seed = static_cast<uint32_t>(Integer(info, 3, "seed", 4294967295.0));
  const auto bytes = TypedArray<uint8_t>(info, 4, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 5, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 6, "ends", napi_int32_array);
  const double length = static_cast<double>(std::min(starts.length, ends.length));
  const double first = Integer(info, 7, "first", length);
  const double count = Integer(info, 8, "count", length - first);
  const auto words = TypedArray<int32_t>(info, 9, "words", napi_int32_array);
  const double at = Integer(info, 10, "at", static_cast<double>(words.length));
  const auto groups = TypedArray<int32_t>(info, 11, "groups", napi_int32_array);
  if (static_cast<double>(words.length) - at < count * 2 ||
      static_cast<double>(groups.length) < count * static_cast<double>(snapheap::kGroupHalves)) {
    throw Napi::RangeError::New(info.Env(), "words or groups is too short");
  }
  for (const auto& in : {starts, ends, words}) CheckApart(info.Env(), groups.data, groups.length * 4, in.data, in.length * 4);
  for (const auto& in : {starts, ends}) CheckApart(info.Env(), words.data, words.length * 4, in.data, in.length * 4);
  const snapheap::Texts texts = {bytes.data, bytes.length, starts.data, ends.data, static_cast<size_t>(first),
                                 static_cast<size_t>(count)};
  const int64_t made =
      snapheap::GroupTexts(heap, hash_table, seed, texts, reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at),
                           reinterpret_cast<uint32_t*>(groups.data));
  if (made == snapheap::kOutside) throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

struct GroupedTexts {
  snapheap::Texts texts;
  snapheap::TextGroups groups;
};

// (bytes, starts, ends, groups)
GroupedTexts TextsWithGroups(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 1, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 2, "ends", napi_int32_array);
  const auto groups = TypedArray<int32_t>(info, 3, "groups", napi_int32_array);
  return {{bytes.data, bytes.length, starts.data, ends.data, 0, std::min(starts.length, ends.length)},
          {reinterpret_cast<uint32_t*>(groups.data), groups.length / snapheap::kGroupHalves}};
}

// (…, count, most words, ordered, ends) -> how many
Napi::Value OrderTexts(const Napi::CallbackInfo& info) {
  const GroupedTexts given = TextsWithGroups(info);
  const double count = Integer(info, 4, "count", static_cast<double>(given.groups.size));
  const double most_words = Integer(info, 5, "mostWords", 65535);
  const auto ordered = TypedArray<uint32_t>(info, 6, "ordered", napi_uint32_array);
  const auto ends = TypedArray<uint32_t>(info, 7, "ends", napi_uint32_array);
  if (static_cast<double>(ordered.length) < count || static_cast<double>(ends.length) < most_words + 2) {
    throw Napi::RangeError::New(info.Env(), "ordered or ends is too short");
  }
  for (const auto& out : {ordered, ends}) {
    CheckApart(info.Env(), out.data, out.length * 4, given.groups.halves, given.groups.size * snapheap::kGroupHalves * 4);
    CheckApart(info.Env(), out.data, out.length * 4, given.texts.starts, given.texts.count * 4);
    CheckApart(info.Env(), out.data, out.length * 4, given.texts.ends, given.texts.count * 4);
  }
  CheckApart(info.Env(), ordered.data, ordered.length * 4, ends.data, ends.length * 4);
  const int64_t missing = snapheap::OrderTexts(given.texts, given.groups, static_cast<size_t>(count),
                                               static_cast<uint32_t>(most_words), ordered.data, ends.data);
  if (missing == snapheap::kOutside) throw Napi::RangeError::New(info.Env(), "a string leaves its bytes");
  return Napi::Number::New(info.Env(), static_cast<double>(missing));
}

// (…, ordered, addresses, from, to, step, objects)
void LayTexts(const Napi::CallbackInfo& info) {
  const GroupedTexts given = TextsWithGroups(info);
  const auto ordered = TypedArray<uint32_t>(info, 4, "ordered", napi_uint32_array);
  const auto addresses = TypedArray<uint32_t>(info, 5, "addresses", napi_uint32_array);
  const double to = Integer(info, 7, "to", static_cast<double>(std::min(ordered.length, addresses.length)));
  const double from = Integer(info, 6, "from", to);
  const double step = Integer(info, 8, "step", 1 << 28);
  const auto objects = TypedArray<int32_t>(info, 9, "objects", napi_int32_array);
  if (step == 0 || static_cast<double>(objects.length) < (to - from) * step * 2) {
    throw Napi::RangeError::New(info.Env(), "objects is too short");
  }
  const auto* bytes = given.texts.bytes;
  CheckApart(info.Env(), objects.data, objects.length * 4, bytes, given.texts.bytes_size);
  const auto first = static_cast<size_t>(from);
  if (!snapheap::LayTexts(given.texts, given.groups, ordered.data + first, static_cast<size_t>(to - from),
                          addresses.data + first, static_cast<uint32_t>(step), reinterpret_cast<uint32_t*>(objects.data))) {
    throw Napi::RangeError::New(info.Env(), "a group does not fit its object");
  }
}

// (groups, words, at, count)
void SettleTexts(const Napi::CallbackInfo& info) {
  const auto groups = TypedArray<int32_t>(info, 0, "groups", napi_int32_array);
  const auto words = TypedArray<int32_t>(info, 1, "words", napi_int32_array);
  const double at = Integer(info, 2, "at", static_cast<double>(words.length));
  const double count = Integer(info, 3, "count", std::floor((static_cast<double>(words.length) - at) / 2));
  if (!snapheap::SettleTexts({reinterpret_cast<uint32_t*>(groups.data), groups.length / snapheap::kGroupHalves},
                             reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at), static_cast<size_t>(count))) {
    throw Napi::RangeError::New(info.Env(), "a word has no group");
  }
}

// (bytes, position, fields in a line, capacity, first line, starts, ends, totals) fills totals with position and lines
void SplitLines(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const double position = Integer(info, 1, "position", static_cast<double>(std::min<size_t>(bytes.length, INT32_MAX)));
  const double per_line = Integer(info, 2, "fields", 65535);
  const double capacity = Integer(info, 3, "capacity", 65535);
  const double first = Integer(info, 4, "first", capacity);
  const auto starts = TypedArray<int32_t>(info, 5, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 6, "ends", napi_int32_array);
  const auto totals = TypedArray<int32_t>(info, 7, "totals", napi_int32_array);
  if (static_cast<double>(std::min(starts.length, ends.length)) < per_line * capacity || totals.length < 2) {
    throw Napi::RangeError::New(info.Env(), "starts, ends or totals is too short");
  }
  CheckApart(info.Env(), starts.data, starts.length * 4, ends.data, ends.length * 4);
  for (const auto& out : {starts, ends}) CheckApart(info.Env(), bytes.data, bytes.length, out.data, out.length * 4);
  const snapheap::Fields fields = {starts.data, ends.data, static_cast<size_t>(per_line), static_cast<size_t>(capacity)};
  const auto split = snapheap::SplitLines(bytes.data, std::min<size_t>(bytes.length, INT32_MAX),
                                          static_cast<size_t>(position), fields, static_cast<size_t>(first));
  totals.data[0] = static_cast<int32_t>(split.position);
  totals.data[1] = static_cast<int32_t>(split.lines);
}

// (bytes, starts, ends, first, count, is integer, words, at) -> how many
Napi::Value ParseNumbers(const Napi::CallbackInfo& info) {
  const auto bytes = TypedArray<uint8_t>(info, 0, "bytes", napi_uint8_array);
  const auto starts = TypedArray<int32_t>(info, 1, "starts", napi_int32_array);
  const auto ends = TypedArray<int32_t>(info, 2, "ends", napi_int32_array);
  const double length = static_cast<double>(std::min(starts.length, ends.length));
  const double first = Integer(info, 3, "first", length);
  const double count = Integer(info, 4, "count", length - first);
  const double is_integer = Integer(info, 5, "isInteger", 1);
  const auto words = TypedArray<int32_t>(info, 6, "words", napi_int32_array);
  const double at = Integer(info, 7, "at", static_cast<double>(words.length));
  if (static_cast<double>(words.length) - at < count * 2) throw Napi::RangeError::New(info.Env(), "words is too short");
  for (const auto& in : {starts, ends}) CheckApart(info.Env(), words.data, words.length * 4, in.data, in.length * 4);
  const auto offset = static_cast<size_t>(first);
  const size_t parsed = snapheap::ParseNumbers(bytes.data, bytes.length, starts.data + offset, ends.data + offset,
                                               static_cast<size_t>(count), is_integer == 1,
                                               reinterpret_cast<uint32_t*>(words.data) + static_cast<size_t>(at));
  return Napi::Number::New(info.Env(), static_cast<double>(parsed));
}

struct WordRange {
  const uint32_t* words;
  size_t count;
  uint32_t seed;
  uint32_t shift;
};

// (table, windows, address, words, seed, shift): words of one block, and how they are hashed into buckets.
WordRange HashedWords(const Napi::CallbackInfo& info) {
  const HeapWords heap = Words(info, 0);
  const auto address = static_cast<uint32_t>(Integer(info, 2, "address", 4294967295.0));
  const double count = Integer(info, 3, "words", HeapWords::kBlockMask + 1 - (address & HeapWords::kBlockMask));
  const auto seed = static_cast<uint32_t>(Integer(info, 4, "seed", 4294967295.0));
  const auto shift = static_cast<uint32_t>(Integer(info, 5, "shift", snapheap::kHashBits));
  const uint32_t* words = heap.At(address);
  if (words == nullptr) throw Napi::RangeError::New(info.Env(), "an address leads outside the heap");
  return {words, static_cast<size_t>(count), seed, shift};
}

// (…, sizes)
void CountWords(const Napi::CallbackInfo& info) {
  const WordRange range = HashedWords(info);
  const auto sizes = TypedArray<uint32_t>(info, 6, "sizes", napi_uint32_array);
  if (!snapheap::CountWords(range.words, range.count, range.seed, range.shift, sizes.data, sizes.length)) {
    throw Napi::RangeError::New(info.Env(), "sizes is too short");
  }
}

// (…, number, first bucket, next, records)
void SortWords(const Napi::CallbackInfo& info) {
  const WordRange range = HashedWords(info);
  const auto number = static_cast<uint32_t>(Integer(info, 6, "number", 4294967295.0));
  const auto first_bucket = static_cast<uint32_t>(Integer(info, 7, "firstBucket", 4294967295.0));
  const auto next = TypedArray<uint32_t>(info, 8, "next", napi_uint32_array);
  const auto records = TypedArray<int32_t>(info, 9, "records", napi_int32_array);
  CheckApart(info.Env(), next.data, next.length * 4, records.data, records.length * 4);
  if (!snapheap::SortWords(range.words, range.count, number, range.seed, range.shift, first_bucket, next.data, next.length,
                           reinterpret_cast<uint32_t*>(records.data), records.length / snapheap::kRecordHalves)) {
    throw Napi::RangeError::New(info.Env(), "records is too short");
  }
}

// (records, from, to, numbers, done, ends, hashes, groups so far) -> groups
Napi::Value GroupRecords(const Napi::CallbackInfo& info) {
  const auto records = TypedArray<int32_t>(info, 0, "records", napi_int32_array);
  const double to = Integer(info, 2, "to", static_cast<double>(records.length / snapheap::kRecordHalves));
  const double from = Integer(info, 1, "from", to);
  const auto numbers = TypedArray<uint32_t>(info, 3, "numbers", napi_uint32_array);
  const double done = Integer(info, 4, "done", static_cast<double>(numbers.length));
  const auto ends = TypedArray<uint32_t>(info, 5, "ends", napi_uint32_array);
  const auto hashes = TypedArray<uint32_t>(info, 6, "hashes", napi_uint32_array);
  const double groups = Integer(info, 7, "groups", static_cast<double>(std::min(ends.length, hashes.length)));
  if (static_cast<double>(numbers.length) - done < to - from ||
      static_cast<double>(std::min(ends.length, hashes.length)) - groups < to - from) {
    throw Napi::RangeError::New(info.Env(), "numbers, ends or hashes is too short");
  }
  for (const auto& out : {numbers, ends, hashes}) {
    CheckApart(info.Env(), out.data, out.length * 4, records.data, records.length * 4);
  }
  CheckApart(info.Env(), ends.data, ends.length * 4, numbers.data, numbers.length * 4);
  CheckApart(info.Env(), ends.data, ends.length * 4, hashes.data, hashes.length * 4);
  const auto* first = reinterpret_cast<const uint32_t*>(records.data) + static_cast<size_t>(from) * snapheap::kRecordHalves;
  const size_t made = snapheap::GroupRecords(
      first, static_cast<size_t>(to - from), static_cast<uint32_t>(done), numbers.data + static_cast<size_t>(done),
      ends.data + static_cast<size_t>(groups), hashes.data + static_cast<size_t>(groups));
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

// (numbers, start, ends, from)
snapheap::NumberGroups GroupedNumbers(const Napi::CallbackInfo& info) {
  const auto numbers = TypedArray<uint32_t>(info, 0, "numbers", napi_uint32_array);
  const auto start = static_cast<uint32_t>(Integer(info, 1, "start", 4294967295.0));
  const auto ends = TypedArray<uint32_t>(info, 2, "ends", napi_uint32_array);
  const double from = Integer(info, 3, "from", static_cast<double>(ends.length));
  return {numbers.data, numbers.length, start, ends.data, ends.length, static_cast<size_t>(from)};
}

// (…, to, most, payloads, flags, ordered, limits) -> how many lists
Napi::Value OrderLists(const Napi::CallbackInfo& info) {
  const snapheap::NumberGroups groups = GroupedNumbers(info);
  const auto to = static_cast<size_t>(Integer(info, 4, "to", static_cast<double>(groups.count)));
  const auto most = static_cast<uint32_t>(Integer(info, 5, "most", 65535));
  const auto payloads = TypedArray<uint32_t>(info, 6, "payloads", napi_uint32_array);
  const auto flags = TypedArray<uint32_t>(info, 7, "flags", napi_uint32_array);
  const auto ordered = TypedArray<uint32_t>(info, 8, "ordered", napi_uint32_array);
  const auto limits = TypedArray<uint32_t>(info, 9, "limits", napi_uint32_array);
  if (to < groups.from || std::min(payloads.length, flags.length) < to || ordered.length < to - groups.from ||
      limits.length < most / 2 + 2) {
    throw Napi::RangeError::New(info.Env(), "payloads, flags, ordered or limits is too short");
  }
  const std::vector<Array<uint32_t>> out = {payloads, flags, ordered, limits};
  for (size_t i = 0; i < out.size(); i++) {
    CheckApart(info.Env(), out[i].data, out[i].length * 4, groups.ends, groups.count * 4);
    for (size_t k = 0; k < i; k++) CheckApart(info.Env(), out[i].data, out[i].length * 4, out[k].data, out[k].length * 4);
  }
  size_t made = 0;
  if (!snapheap::OrderLists(groups, to, most, payloads.data, flags.data, ordered.data, limits.data, &made)) {
    throw Napi::RangeError::New(info.Env(), "a group is not where it should be");
  }
  return Napi::Number::New(info.Env(), static_cast<double>(made));
}

// (…, table, windows, base, ordered, addresses, first, end, words, step, payloads, halves, at)
void LayLists(const Napi::CallbackInfo& info) {
  snapheap::NumberGroups groups = GroupedNumbers(info);
  const HeapWords heap = Words(info, 4);
  const auto base = static_cast<uint32_t>(Integer(info, 6, "base", 4294967295.0));
  const auto ordered = TypedArray<uint32_t>(info, 7, "ordered", napi_uint32_array);
  const auto addresses = TypedArray<uint32_t>(info, 8, "addresses", napi_uint32_array);
  const auto end = static_cast<size_t>(Integer(info, 10, "end", static_cast<double>(std::min(ordered.length, addresses.length))));
  const auto first = static_cast<size_t>(Integer(info, 9, "first", static_cast<double>(end)));
  const auto words = static_cast<size_t>(Integer(info, 11, "words", HeapWords::kBlockMask));
  const auto step = static_cast<size_t>(Integer(info, 12, "step", HeapWords::kBlockMask));
  const auto payloads = TypedArray<uint32_t>(info, 13, "payloads", napi_uint32_array);
  const auto halves = TypedArray<int32_t>(info, 14, "halves", napi_int32_array);
  const auto at = static_cast<size_t>(Integer(info, 15, "at", static_cast<double>(halves.length)));
  if (words < 3 || step < words) throw Napi::RangeError::New(info.Env(), "words or step is too small");
  groups.count = std::min(groups.count, payloads.length);
  for (const auto& in : {ordered, payloads}) CheckApart(info.Env(), halves.data + at, (halves.length - at) * 4, in.data, in.length * 4);
  CheckApart(info.Env(), halves.data + at, (halves.length - at) * 4, groups.numbers, groups.size * 4);
  CheckApart(info.Env(), halves.data + at, (halves.length - at) * 4, groups.ends, groups.count * 4);
  CheckApart(info.Env(), payloads.data, payloads.length * 4, ordered.data, ordered.length * 4);
  if (!snapheap::LayLists(groups, heap, base, ordered.data + first, addresses.data + first, end - first, words, step,
                          payloads.data, reinterpret_cast<uint32_t*>(halves.data) + at, halves.length - at)) {
    throw Napi::RangeError::New(info.Env(), "a group does not fit its list");
  }
}

// The segment of mask + 1 words at a half of an array: its number is argument `index`, the half's the next.
uint32_t* Segment(const Napi::CallbackInfo& info, size_t index, uint32_t mask) {
  const auto halves = TypedArray<int32_t>(info, index, "halves", napi_int32_array);
  const auto at = static_cast<size_t>(Integer(info, index + 1, "at", static_cast<double>(halves.length)));
  if ((halves.length - at) / 2 <= mask) throw Napi::RangeError::New(info.Env(), "halves is too short");
  return reinterpret_cast<uint32_t*>(halves.data) + at;
}

// (hashes, payloads, flags, from, to, mask, halves, at)
void FillSegment(const Napi::CallbackInfo& info) {
  const auto hashes = TypedArray<uint32_t>(info, 0, "hashes", napi_uint32_array);
  const auto payloads = TypedArray<uint32_t>(info, 1, "payloads", napi_uint32_array);
  const auto flags = TypedArray<uint32_t>(info, 2, "flags", napi_uint32_array);
  const size_t length = std::min({hashes.length, payloads.length, flags.length});
  const auto to = static_cast<size_t>(Integer(info, 4, "to", static_cast<double>(length)));
  const auto from = static_cast<size_t>(Integer(info, 3, "from", static_cast<double>(to)));
  const auto mask = static_cast<uint32_t>(Integer(info, 5, "mask", snapheap::kHashMask));
  uint32_t* segment = Segment(info, 6, mask);
  if (!snapheap::FillSegment(hashes.data + from, payloads.data + from, flags.data + from, to - from, mask, segment)) {
    throw Napi::RangeError::New(info.Env(), "a segment is full");
  }
}

// (halves, at, words, bit, mask, zeros, at, ones, at, counts)
void SplitSegment(const Napi::CallbackInfo& info) {
  const auto words = static_cast<uint32_t>(Integer(info, 2, "words", snapheap::kHashMask));
  const auto bit = static_cast<uint32_t>(Integer(info, 3, "bit", snapheap::kHashMask));
  const auto mask = static_cast<uint32_t>(Integer(info, 4, "mask", snapheap::kHashMask));
  const uint32_t* from = Segment(info, 0, words);
  uint32_t* zeros = Segment(info, 5, mask);
  uint32_t* ones = Segment(info, 7, mask);
  const auto counts = TypedArray<uint32_t>(info, 9, "counts", napi_uint32_array);
  if (counts.length < 2) throw Napi::RangeError::New(info.Env(), "counts is too short");
  if (!snapheap::SplitSegment(from, words, bit, mask, zeros, ones, counts.data)) {
    throw Napi::RangeError::New(info.Env(), "a segment is full");
  }
}

// A handle, or the holder's pid (0 when it is not known) when the lock is held elsewhere.
Napi::Value Lock(const Napi::CallbackInfo& info) {
  auto lock = std::make_unique<FileLock>();
  int64_t holder_pid = 0;
  const std::error_code error = lock->Acquire(Path(info, 0), &holder_pid);
  if (error == std::errc::resource_unavailable_try_again) {
    return Napi::Number::New(info.Env(), static_cast<double>(holder_pid));
  }
  if (error) ThrowSystemError(info.Env(), "lock", error);
  auto handle = Napi::External<FileLock>::New(info.Env(), lock.get(), [](Napi::Env, FileLock* held) { delete held; });
  lock.release();
  handle.TypeTag(&kLockTag);
  return handle;
}

void Unlock(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal() || !info[0].As<Napi::External<FileLock>>().CheckTypeTag(&kLockTag)) {
    throw Napi::TypeError::New(info.Env(), "handle must be one that lock returned");
  }
  info[0].As<Napi::External<FileLock>>().Data()->Release();
}

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const std::error_code error = snapheap::LockOpenFile(Descriptor(info, 0));
  const bool is_held = error == std::errc::resource_unavailable_try_again;
  if (error && !is_held) ThrowSystemError(info.Env(), "flock", error);
  return Napi::Boolean::New(info.Env(), !is_held);
}

void SyncFolder(const Napi::CallbackInfo& info) {
  const std::error_code error = snapheap::SyncFolder(Path(info, 0));
  if (error) ThrowSystemError(info.Env(), "fsync", error);
}

// Runs on a thread of libuv's pool: the call may wait for the device's queue.
class WriteBackWork : public Napi::AsyncWorker {
 public:
  WriteBackWork(Napi::Env env, int fd, uint64_t offset, uint64_t size)
      : Napi::AsyncWorker(env), done_(Napi::Promise::Deferred::New(env)), fd_(fd), offset_(offset), size_(size) {}
  Napi::Promise Promise() const { return done_.Promise(); }

 protected:
  void Execute() override { snapheap::StartWriteBack(fd_, offset_, size_); }
  void OnOK() override { done_.Resolve(Env().Undefined()); }

 private:
  const Napi::Promise::Deferred done_;
  const int fd_;
  const uint64_t offset_;
  const uint64_t size_;
};

Napi::Value StartWriteBack(const Napi::CallbackInfo& info) {
  const int fd = Descriptor(info, 0);
  const double offset = Integer(info, 1, "offsetBytes", kMaxFileOffset);
  const double size = Integer(info, 2, "sizeBytes", kMaxFileOffset);
  auto* work = new WriteBackWork(info.Env(), fd, static_cast<uint64_t>(offset), static_cast<uint64_t>(size));
  const Napi::Promise promise = work->Promise();
  work->Queue();  // deletes itself when it is done
  return promise;
}

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("mapFile", Napi::Function::New<MapFile>(env, "mapFile"));
  exports.Set("allocate", Napi::Function::New<Allocate>(env, "allocate"));
  exports.Set("unmap", Napi::Function::New<Unmap>(env, "unmap"));
  exports.Set("advise", Napi::Function::New<Advise>(env, "advise"));
  exports.Set("incore", Napi::Function::New<Incore>(env, "incore"));
  exports.Set("sync", Napi::Function::New<Sync>(env, "sync"));
  exports.Set("crc32c", Napi::Function::New<Crc32c>(env, "crc32c"));
  exports.Set("copy", Napi::Function::New<Copy>(env, "copy"));
  exports.Set("groupTexts", Napi::Function::New<GroupTexts>(env, "groupTexts"));
  exports.Set("orderTexts", Napi::Function::New<OrderTexts>(env, "orderTexts"));
  exports.Set("layTexts", Napi::Function::New<LayTexts>(env, "layTexts"));
  exports.Set("settleTexts", Napi::Function::New<SettleTexts>(env, "settleTexts"));
  exports.Set("splitLines", Napi::Function::New<SplitLines>(env, "splitLines"));
  exports.Set("parseNumbers", Napi::Function::New<ParseNumbers>(env, "parseNumbers"));
  exports.Set("countWords", Napi::Function::New<CountWords>(env, "countWords"));
  exports.Set("sortWords", Napi::Function::New<SortWords>(env, "sortWords"));
  exports.Set("groupRecords", Napi::Function::New<GroupRecords>(env, "groupRecords"));
  exports.Set("orderLists", Napi::Function::New<OrderLists>(env, "orderLists"));
  exports.Set("layLists", Napi::Function::New<LayLists>(env, "layLists"));
  exports.Set("fillSegment", Napi::Function::New<FillSegment>(env, "fillSegment"));
  exports.Set("splitSegment", Napi::Function::New<SplitSegment>(env, "splitSegment"));
  exports.Set("lock", Napi::Function::New<Lock>(env, "lock"));
  exports.Set("unlock", Napi::Function::New<Unlock>(env, "unlock"));
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
  exports.Set("startWriteBack", Napi::Function::New<StartWriteBack>(env, "startWriteBack"));
  exports.Set("syncFolder", Napi::Function::New<SyncFolder>(env, "syncFolder"));
  return exports;
}

}  // namespace

NODE_API_MODULE(snapheap, Initialise)
