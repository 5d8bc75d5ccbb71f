/*
 * Lets User-Mode Linux before 6.13 run on processors whose register state is larger than it knows (AMX: 11008 bytes). It
 * sets the floating-point registers of its processes with the 2696 bytes of AVX-512, which the host's kernel refuses with
 * EFAULT unless all bytes are given; it then dies with "ptrace set fp regs failed, errno = 14". Preloaded, this gives all
 * bytes: those of UML over those that the process has. Build: cc -shared -fPIC -O2 -o uml-xstate.so uml-xstate.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

typedef long (*ptrace_call)(int, ...);

long ptrace(enum __ptrace_request request, ...)
{
    static ptrace_call real;
    static char whole[64 * 1024] __attribute__((aligned(64)));
    va_list args;
    va_start(args, request);
    pid_t pid = va_arg(args, pid_t);
    void *address = va_arg(args, void *);
    void *data = va_arg(args, void *);
    va_end(args);
    if (!real)
        real = (ptrace_call) dlsym(RTLD_NEXT, "ptrace");
    long result = real(request, pid, address, data);
    if (result == -1 && errno == EFAULT && request == PTRACE_SETREGSET && (long) address == NT_X86_XSTATE) {
        struct iovec *given = data;
        struct iovec all = { whole, sizeof whole };
        if (real(PTRACE_GETREGSET, pid, address, &all) == 0 && given->iov_len < all.iov_len) {
            memcpy(whole, given->iov_base, given->iov_len);
            return real(PTRACE_SETREGSET, pid, address, &all);
        }
        errno = EFAULT;
    }
    return result;
}
