#pragma once

#include <cstdint>
#include <string>

namespace snapheap {

#ifndef _WIN32
// Whether `path` names the open file, and that has at least so many bytes. False too where that cannot be found out.
bool NamesFile(const std::string& path, int fd, uint64_t size_bytes);
#endif

}  // namespace snapheap
