#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

namespace snapheap {

// Order shared with ADVICE in src/heap/native-memory.ts.
enum class Advice { kNormal, kRandom, kSequential, kWillNeed, kDontNeed };
constexpr uint32_t kAdviceCount = 5;

struct Residency {
  uint64_t resident_pages = 0;
  uint64_t pages = 0;
};

// One range of the address space: a read-only shared view of a file, or anonymous zeroed memory.
//
// Invariants: a file view never becomes writable; a range handed to Advise, CountResident or Sync lies inside the
// mapping (the caller has checked it). mapping_posix.cc and mapping_windows.cc implement the same contract.
class Mapping {
 public:
  Mapping() = default;
  ~Mapping() { Unmap(); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Views `size` bytes of an open file from `offset` on. The view may reach past the end of the file; the part
  // past the end must not be touched until the file has grown into it and Sync was told.
  std::error_code MapFile(int fd, uint64_t offset, size_t size);

  // Zeroed memory that takes no physical page until it is written.
  std::error_code Allocate(size_t size);

  // Gives the range back at once. Idempotent.
  void Unmap();

  // kDontNeed on anonymous memory makes the range read as zeros; everything else is a hint.
  std::error_code Advise(size_t offset, size_t size, Advice advice);

  // Counts the pages of the range, rounded outwards, that are in physical memory now.
  std::error_code CountResident(size_t offset, size_t size, Residency* result) const;

  // Makes the view show what was written to the file below offset + size since.
  std::error_code Sync(int fd, uint64_t file_offset, size_t offset, size_t size);

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool is_file() const { return is_file_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  bool is_file_ = false;
#ifdef _WIN32
  // How much of the range, from its start, views the file; the rest is a placeholder (reserved, not accessible).
  size_t viewed_ = 0;
  std::error_code ViewFile(int fd, uint64_t file_offset);
#endif
};

}  // namespace snapheap
