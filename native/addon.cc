// The N-API boundary: checks arguments, turns them into plain C++ and results into JavaScript. A wrong argument throws
// a TypeError or RangeError, a refusal by the operating system or of memory an Error with `code`. The work is done
// elsewhere.
#include <napi.h>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "addon_arguments.h"
#include "addon_calls.h"
#include "addon_kernels.h"
#include "block_copy.h"
#include "bytes.h"
#include "crc32c.h"
#include "file_lock.h"
#include "file_name.h"
#include "folder_sync.h"
#include "mapping.h"
#include "mapping_registry.h"

namespace {

using snapheap::Advice;
using snapheap::Descriptor;
#ifndef _WIN32
using snapheap::FileName;
#endif
using snapheap::Integer;
using snapheap::kMaxFileOffset;
using snapheap::Mapping;
using snapheap::MappingRegistry;

[[noreturn]] void ThrowSystemError(Napi::Env env, const char* call, const std::error_code& error) {
  throw snapheap::SystemError(env, call, error);
}

size_t WindowSize(const Napi::CallbackInfo& info, size_t index) {
  const double size = Integer(info, index, "sizeBytes", static_cast<double>(snapheap::kMaxWindowBytes));
  if (size == 0) throw Napi::RangeError::New(info.Env(), "sizeBytes must not be 0");
  return static_cast<size_t>(size);
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

// Detached first: from then on no JavaScript reaches the memory. FinalizeWindow deletes the Mapping; an engine that
// runs it within Detach has taken it out of the registry by then.
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

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const std::error_code error = snapheap::LockOpenFile(Descriptor(info, 0));
  const bool is_held = error == std::errc::resource_unavailable_try_again;
  if (error && !is_held) ThrowSystemError(info.Env(), "flock", error);
  return Napi::Boolean::New(info.Env(), !is_held);
}

#ifndef _WIN32
Napi::Value NameFile(const Napi::CallbackInfo& info) {
  const int fd = Descriptor(info, 1);
  const auto drop = [](Napi::Env, FileName* name) { delete name; };
  return Napi::External<FileName>::New(info.Env(), new FileName(Path(info, 0), fd), drop);
}

Napi::Value IsFileInPlace(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "name must be what nameFile has returned");
  const double size = Integer(info, 1, "sizeBytes", kMaxFileOffset);
  const FileName* name = info[0].As<Napi::External<FileName>>().Data();
  return Napi::Boolean::New(info.Env(), name->IsInPlace(static_cast<uint64_t>(size)));
}
#endif

void SyncFolder(const Napi::CallbackInfo& info) {
  const std::error_code error = snapheap::SyncFolder(Path(info, 0));
  if (error) ThrowSystemError(info.Env(), "fsync", error);
}

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  snapheap::Export<MapFile>(env, exports, "mapFile");
  snapheap::Export<Allocate>(env, exports, "allocate");
  snapheap::Export<Unmap>(env, exports, "unmap");
  snapheap::Export<Advise>(env, exports, "advise");
  snapheap::Export<Incore>(env, exports, "incore");
  snapheap::Export<Sync>(env, exports, "sync");
  snapheap::Export<Crc32c>(env, exports, "crc32c");
  snapheap::Export<Copy>(env, exports, "copy");
  snapheap::ExportLineKernels(env, exports);
  snapheap::ExportTextKernels(env, exports);
  snapheap::ExportIndexKernels(env, exports);
  snapheap::ExportScanKernels(env, exports);
  snapheap::ExportFileWrite(env, exports);
  snapheap::Export<LockFile>(env, exports, "lockFile");
#ifndef _WIN32
  snapheap::Export<NameFile>(env, exports, "nameFile");
  snapheap::Export<IsFileInPlace>(env, exports, "isFileInPlace");
#endif
  snapheap::Export<SyncFolder>(env, exports, "syncFolder");
  return exports;
}

}  // namespace

NODE_API_MODULE(snapheap, Initialise)
