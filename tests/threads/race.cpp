// A data race in a parallel loop. The thread sanitizer must report it: otherwise its silence about
// our kernels, which run on the same OpenMP threads, would mean nothing.

#include <cstdio>

int main() {
  int sum = 0;
#pragma omp parallel for num_threads(2)
  for (int i = 0; i < 1000; ++i) sum += i;
  std::printf("%d\n", sum);
}
