// Writing to a file off the event loop, at the N-API boundary.
#include <utility>
#include <vector>

#include "addon_arguments.h"
#include "addon_calls.h"
#include "addon_kernels.h"
#include "file_write.h"

namespace snapheap {

#ifdef _WIN32

void ExportFileWrite(Napi::Env, Napi::Object) {}

#else

namespace {

// Writes in a thread of the pool. Until it is done nobody may change what the ranges are of.
class WriteWork : public PoolWork {
 public:
  WriteWork(Napi::Env env, int fd, uint64_t offset, std::vector<ByteRange> ranges)
      : PoolWork(env, "snapheap writeBeside"), fd_(fd), offset_(offset), ranges_(std::move(ranges)) {}

 protected:
  const char* Run() override {
    error_ = WriteFile(fd_, offset_, ranges_);
    return error_ ? "write" : nullptr;
  }
  Napi::Error Fault(const char* call) override { return SystemError(Env(), call, error_); }

 private:
  const int fd_;
  const uint64_t offset_;
  const std::vector<ByteRange> ranges_;
  std::error_code error_;
};

// (fd, Uint8Arrays, position) -> a promise. All elements are taken before the memory of any: one may be a getter that
// takes it away.
Napi::Value WriteBeside(const Napi::CallbackInfo& info) {
  const int fd = Descriptor(info, 0);
  if (!info[1].IsArray()) throw Napi::TypeError::New(info.Env(), "buffers must be an array");
  const double position = Integer(info, 2, "position", kMaxFileOffset);
  const auto array = info[1].As<Napi::Array>();
  std::vector<Napi::Value> buffers;
  for (uint32_t i = 0, count = array.Length(); i < count; i++) {
    const Napi::Value each = array.Get(i);
    if (!each.IsTypedArray() || each.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      throw Napi::TypeError::New(info.Env(), "buffers must hold nothing but Uint8Arrays");
    }
    buffers.push_back(each);
  }
  std::vector<ByteRange> ranges;
  std::vector<Napi::ObjectReference> kept;
  for (const Napi::Value& each : buffers) {
    const auto bytes = each.As<Napi::Uint8Array>();
    ranges.push_back({bytes.Data(), bytes.ByteLength()});
    kept.push_back(Napi::Persistent(each.As<Napi::Object>()));
  }
  auto* work = new WriteWork(info.Env(), fd, static_cast<uint64_t>(position), std::move(ranges));
  work->Keep(std::move(kept));
  const Napi::Promise promise = work->Promise();
  work->Queue();
  return promise;
}

}  // namespace

void ExportFileWrite(Napi::Env env, Napi::Object exports) {
  Export<WriteBeside>(env, exports, "writeBeside");
}

#endif

}  // namespace snapheap
