// dial: a stream socket that is connected, by which no thread is kept longer than it has patience for.
#pragma once
#include <chrono>
#include <string>

#include "patience.hpp"
#include "uri.hpp"

// The caller closes the socket. Throws Unreachable, std::bad_alloc.
int dial_unix(const std::string& path, const Patience& patience);
// Tries each address of the host in turn. What was sent and is not acknowledged for `timeout` breaks the connection.
int dial_tcp(const Uri& uri, std::chrono::milliseconds timeout, const Patience& patience);
