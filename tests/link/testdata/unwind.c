// A backtrace by .eh_frame, found through .eh_frame_hdr, or in a static program without one by registration.
// cflags: -O1 -fexceptions -fno-optimize-sibling-calls | -O1 -fexceptions -fno-optimize-sibling-calls -fno-pie -fno-plt
// link: pie | no-pie | static | static-pie
// norun: -fno-pie+pie -fno-pie+static-pie
#include <stdio.h>
#include <unwind.h>
static _Unwind_Reason_Code count(struct _Unwind_Context *c, void *n) { ++*(int *)n; return _URC_NO_REASON; }
__attribute__((noinline)) int depth(int n) {
	int frames = 0;
	if (n > 0) return depth(n - 1) + 1;
	_Unwind_Backtrace(count, &frames);
	return frames;
}
int main(void) { printf("%d\n", depth(5) - depth(0)); return 0; }
