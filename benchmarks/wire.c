/* A wire with a rate and a delay between two tun devices, for kernels that lack the netem queueing discipline.
 *
 *   wire NAME NAME BITS_PER_SECOND MILLISECONDS_ONE_WAY
 *
 * makes both devices and carries packets until it is killed; the caller moves one into another network namespace.
 * Segmentation offload stays on, as on a veth pair, so that carrying 1 Gbit/s costs little.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1024, LARGEST = 65536 + 64 };

struct direction {
  int from, to;
  double bits_per_ns;
  int64_t delay_ns;
};

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_tun(const char *name) {
  int number = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (number < 0 || ioctl(number, TUNSETIFF, &request) < 0 ||
      ioctl(number, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0) {
    perror(name);
    exit(1);
  }
  return number;
}

static void *carry(void *argument) {
  struct direction *way = argument;
  static _Thread_local int64_t due[SLOTS];
  static _Thread_local int length[SLOTS];
  char *bytes = malloc((size_t)SLOTS * LARGEST);
  unsigned head = 0, tail = 0;
  double free_at = 0;
  for (;;) {
    int64_t now = now_ns();
    while (tail != head && due[tail % SLOTS] <= now) {
      if (write(way->to, bytes + (size_t)(tail % SLOTS) * LARGEST, length[tail % SLOTS]) < 0 && errno == EAGAIN)
        break;
      tail++;
    }
    while (head - tail < SLOTS) {
      ssize_t size = read(way->from, bytes + (size_t)(head % SLOTS) * LARGEST, LARGEST);
      if (size <= 0) break;
      now = now_ns();
      double start = free_at > now ? free_at : now;
      free_at = start + size * 8 / way->bits_per_ns;
      length[head % SLOTS] = size;
      due[head % SLOTS] = (int64_t)free_at + way->delay_ns;
      head++;
    }
    int64_t wait = tail == head ? 1000000000LL : due[tail % SLOTS] - now_ns();
    struct timespec patience = {.tv_sec = wait > 0 ? wait / 1000000000 : 0, .tv_nsec = wait > 0 ? wait % 1000000000 : 0};
    struct pollfd input = {.fd = way->from, .events = head - tail < SLOTS ? POLLIN : 0};
    ppoll(&input, 1, &patience, NULL);
  }
  return NULL;
}

int main(int count, char **words) {
  if (count != 5) return 2;
  int left = open_tun(words[1]), right = open_tun(words[2]);
  double bits_per_ns = atof(words[3]) / 1e9;
  int64_t delay_ns = (int64_t)(atof(words[4]) * 1e6);
  struct direction there = {left, right, bits_per_ns, delay_ns}, back = {right, left, bits_per_ns, delay_ns};
  pthread_t thread;
  pthread_create(&thread, NULL, carry, &there);
  puts("ready");
  fflush(stdout);
  carry(&back);
}
