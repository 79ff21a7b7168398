#pragma once

#include <cstdint>
#include <string>

namespace snapheap {

#ifndef _WIN32
// A file that is open under a descriptor, and the path that named it. The descriptor stays open as long as this is
// used: until then no other file has the identity that is remembered.
class FileName {
 public:
  FileName(std::string path, int fd);

  // Whether the path names the file, and that has at least so many bytes. False too where that cannot be found out. One
  // call of the system.
  bool IsInPlace(uint64_t size_bytes) const;

 private:
  std::string path_;
  uint64_t inode_ = 0;
  uint64_t device_ = 0;
  bool is_known_ = false;
};
#endif

}  // namespace snapheap
