// The form in which Ceph keeps an object map in its pool: two bits for each object. Pure.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

// How many bytes the map of so many objects has, at most.
std::size_t map_bytes(std::size_t objects);
// For each object whether it holds bytes. None: the bytes are in no form that is known here, or damaged. Throws
// std::bad_alloc.
std::optional<std::vector<bool>> read_map(std::span<const std::byte> bytes);
