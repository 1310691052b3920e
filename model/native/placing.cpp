// Which voxels are neighbours, for the decoder of octrees that puts points between them.
//
// `model/octree/placing.py` says what this is for, and does the same in NumPy: tests hold the two together.

#include <cstdint>

// A step to a neighbour, and how far a voxel's points move towards one.
struct Step {
  int64_t number, opposite;  // of the step and of the one back, among all 26
  int64_t x, y, z;           // in 4,096ths of an edge, to be added to where points begin
  uint64_t further;          // by how much the neighbour's key is larger
};

// `keys`: ascending; `order`: the voxels in that order; `mask`: (v,) a bit for each neighbour; `middles`: (v, 3).
// Both are added to.
extern "C" void octree_neighbours(const uint64_t* keys, const int64_t* order, int64_t count, const Step* steps,
                                  int64_t step_count, int64_t* mask, int64_t* middles) {
  for (const Step* step = steps; step < steps + step_count; ++step) {
    const bool moves = step->x | step->y | step->z;
    // Keys ascend, and those of neighbours with them: one walk meets all pairs.
    for (int64_t one = 0, other = 0; one < count; ++one) {
      const uint64_t wanted = keys[one] + step->further;
      while (other < count && keys[other] < wanted) ++other;
      if (other == count) break;
      if (keys[other] != wanted) continue;
      const int64_t a = order[one], b = order[other];
      mask[a] |= int64_t(1) << step->number, mask[b] |= int64_t(1) << step->opposite;
      if (!moves) continue;
      middles[3 * a] += step->x, middles[3 * a + 1] += step->y, middles[3 * a + 2] += step->z;
      middles[3 * b] -= step->x, middles[3 * b + 1] -= step->y, middles[3 * b + 2] -= step->z;
    }
  }
}
