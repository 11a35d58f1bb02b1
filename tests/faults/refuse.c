/* refuse LIST -- COMMAND…: runs COMMAND with some ways of zeroing refused with EOPNOTSUPP, as an older kernel or
 * another file system would. LIST: comma-separated, of fallocate, punch_hole, zero_range, write_zeroes, blkzeroout,
 * blkdiscard; and with landlock and seccomp refused with ENOSYS, as by a kernel without them. */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int refuse_mode(scmp_filter_ctx filter, uint64_t bit) {
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(fallocate), 1,
                          SCMP_A1(SCMP_CMP_MASKED_EQ, bit, bit));
}

static int refuse_ioctl(scmp_filter_ctx filter, uint64_t request) {
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(ioctl), 1,
                          SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, request));
}

static int refuse(scmp_filter_ctx filter, const char* what) {
  if (strcmp(what, "fallocate") == 0)
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(fallocate), 0);
  if (strcmp(what, "punch_hole") == 0) return refuse_mode(filter, FALLOC_FL_PUNCH_HOLE);
  if (strcmp(what, "zero_range") == 0) return refuse_mode(filter, FALLOC_FL_ZERO_RANGE);
  if (strcmp(what, "write_zeroes") == 0) return refuse_mode(filter, 0x80);
  if (strcmp(what, "blkzeroout") == 0) return refuse_ioctl(filter, BLKZEROOUT);
  if (strcmp(what, "landlock") == 0)
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0);
  if (strcmp(what, "seccomp") == 0) return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
  if (strcmp(what, "blkdiscard") == 0) return refuse_ioctl(filter, BLKDISCARD);
  return -EINVAL;
}

int main(int argc, char** argv) {
  if (argc < 4 || strcmp(argv[2], "--") != 0) {
    fprintf(stderr, "usage: refuse LIST -- COMMAND...\n");
    return 2;
  }
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == NULL) return 1;
  for (char* what = strtok(argv[1], ","); what != NULL; what = strtok(NULL, ",")) {
    const int error = refuse(filter, what);
    if (error != 0) {
      fprintf(stderr, "refuse: %s: %s\n", what, strerror(-error));
      return 2;
    }
  }
  const int error = seccomp_load(filter);
  seccomp_release(filter);
  if (error != 0) {
    fprintf(stderr, "refuse: the filter cannot be loaded: %s\n", strerror(-error));
    return 1;
  }
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 1;
}
