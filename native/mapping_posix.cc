#ifndef _WIN32

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "mapping.h"

namespace snapheap {
namespace {

#ifdef __APPLE__
constexpr int kNoReserve = 0;  // MAP_NORESERVE exists but does nothing: macOS always overcommits
#else
constexpr int kNoReserve = MAP_NORESERVE;
#endif

std::error_code LastError() { return {errno, std::system_category()}; }

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// A range rounded outwards to whole pages. Mappings begin on a page, so this never leaves one downwards; upwards it
// may reach the end of the last page, which the kernel mapped as well.
struct Pages {
  Pages(uint8_t* data, size_t offset, size_t size)
      : start(data + offset / PageBytes() * PageBytes()),
        count(size == 0 ? 0 : (offset + size - 1) / PageBytes() - offset / PageBytes() + 1) {}
  uint8_t* start;
  size_t count;
};

int NativeAdvice(Advice advice) {
  switch (advice) {
    case Advice::kNormal:
      return POSIX_MADV_NORMAL;
    case Advice::kRandom:
      return POSIX_MADV_RANDOM;
    case Advice::kSequential:
      return POSIX_MADV_SEQUENTIAL;
    case Advice::kWillNeed:
      return POSIX_MADV_WILLNEED;
    case Advice::kDontNeed:
      return POSIX_MADV_DONTNEED;
  }
  return POSIX_MADV_NORMAL;
}

// Only whole pages can be given back; a range of part pages (a 32 KiB block on a machine with 64 KiB pages) is
// overwritten with zeros instead, which reads the same.
std::error_code DiscardAnonymous(uint8_t* start, size_t size) {
  const bool is_whole_pages = reinterpret_cast<uintptr_t>(start) % PageBytes() == 0 && size % PageBytes() == 0;
  if (!is_whole_pages) {
    memset(start, 0, size);
    return {};
  }
#ifdef __linux__
  if (madvise(start, size, MADV_DONTNEED) != 0) return LastError();
#else
  // Elsewhere MADV_DONTNEED need not zero the pages: put fresh ones in their place.
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | kNoReserve;
  if (mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return LastError();
#endif
  return {};
}

}  // namespace

std::error_code Mapping::MapFile(int fd, uint64_t offset, size_t size) {
  if (offset > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return std::make_error_code(std::errc::value_too_large);
  }
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (address == MAP_FAILED) return LastError();
  data_ = static_cast<uint8_t*>(address);
  size_ = size;
  is_file_ = true;
  return {};
}

std::error_code Mapping::Allocate(size_t size) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | kNoReserve;
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (address == MAP_FAILED) return LastError();
  data_ = static_cast<uint8_t*>(address);
  size_ = size;
  is_file_ = false;
  return {};
}

void Mapping::Unmap() {
  if (data_ == nullptr) return;
  munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

std::error_code Mapping::Advise(size_t offset, size_t size, Advice advice) {
  if (size == 0) return {};
  if (advice == Advice::kDontNeed && !is_file_) return DiscardAnonymous(data_ + offset, size);
  const Pages pages(data_, offset, size);
  const int error = posix_madvise(pages.start, pages.count * PageBytes(), NativeAdvice(advice));
  return {error, std::system_category()};
}

std::error_code Mapping::CountResident(size_t offset, size_t size, Residency* result) const {
#ifdef __linux__
  using PageState = unsigned char;
#else
  using PageState = char;
#endif
  const Pages range(data_, offset, size);
  std::vector<PageState> states(std::min<size_t>(range.count, 65536));
  uint64_t resident = 0;
  for (size_t done = 0; done < range.count;) {
    const size_t count = std::min(range.count - done, states.size());
    if (mincore(range.start + done * PageBytes(), count * PageBytes(), states.data()) != 0) return LastError();
    resident += static_cast<uint64_t>(
        std::count_if(states.begin(), states.begin() + count, [](PageState state) { return (state & 1) != 0; }));
    done += count;
  }
  *result = {resident, range.count};
  return {};
}

// POSIX promises that a shared mapping shows what was written to the file only after MS_INVALIDATE; kernels with one
// page cache for both (Linux, macOS) have nothing to do then.
std::error_code Mapping::Sync(int, uint64_t, size_t offset, size_t size) {
  if (size == 0) return {};
  const Pages pages(data_, offset, size);
  if (msync(pages.start, pages.count * PageBytes(), MS_ASYNC | MS_INVALIDATE) != 0) return LastError();
  return {};
}

}  // namespace snapheap

#endif
