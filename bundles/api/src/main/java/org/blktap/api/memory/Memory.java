package org.blktap.api.memory;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.lang.reflect.Field;

/**
 * Raw access to native memory by address, in the machine's byte order.
 *
 * <p>Nothing is checked: a caller has validated the address, as a node does with every address that a VM sends. All
 * methods are safe on memory that its owner truncates (a VM may shrink the file behind its RAM): an access then throws
 * {@link InternalError} instead of killing the process, as a native {@code memcpy} or Java 17's own {@code setMemory}
 * would. The error may come late, up to the return of the next native call; see {@link Segments#foreign}.
 *
 * <p>Java 22 and later are served by {@code java.lang.foreign}, 17 to 21 by {@code sun.misc.Unsafe}; neither is named
 * at compile time, and both are constants that the JIT inlines to plain moves.
 *
 * <p>Names state the memory order as in JCTools: {@code Acquire} loads and {@code Release} stores order what follows or
 * precedes them; the others are plain.
 */
public final class Memory {
    private static final MethodHandle GET_BYTE;
    private static final MethodHandle GET_SHORT;
    private static final MethodHandle GET_INT;
    private static final MethodHandle GET_LONG;
    private static final MethodHandle PUT_BYTE;
    private static final MethodHandle PUT_SHORT;
    private static final MethodHandle PUT_INT;
    private static final MethodHandle PUT_LONG;
    /** (source address, target address, bytes) */
    private static final MethodHandle COPY;

    private static final long COPY_STEP = 1 << 20;
    /** Zeros to copy from, few enough to stay in the processor's first cache. */
    private static final int ZEROS_BYTES = 16384;

    private static final long ZEROS;
    /**
     * Always 0, which the JIT does not know, and combined with each value loaded. A load from memory that has been
     * truncated is stepped over: its register keeps what it had, and without this the JIT would rely on it that a short
     * has 16 bits, and leave out the very checks that follow. Also, an int that becomes a long would be loaded by
     * movslq, which HotSpot (17 to 25 at least) cannot step over: the process would end with ShouldNotReachHere in
     * Assembler::locate_operand.
     */
    private static int zero;

    static {
        try {
            Access access = Runtime.version().feature() >= 22 ? Access.foreign() : Access.unsafe();
            GET_BYTE = access.get(byte.class);
            GET_SHORT = access.get(short.class);
            GET_INT = access.get(int.class);
            GET_LONG = access.get(long.class);
            PUT_BYTE = access.put(byte.class);
            PUT_SHORT = access.put(short.class);
            PUT_INT = access.put(int.class);
            PUT_LONG = access.put(long.class);
            COPY = access.copy();
            ZEROS = access.allocateZeros(ZEROS_BYTES);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private Memory() {}

    public static byte getByte(long address) {
        try {
            return (byte) ((byte) GET_BYTE.invokeExact(address) ^ zero);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static short getShort(long address) {
        try {
            return (short) ((short) GET_SHORT.invokeExact(address) ^ zero);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static int getInt(long address) {
        try {
            return (int) GET_INT.invokeExact(address) ^ zero;
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static long getLong(long address) {
        try {
            return (long) GET_LONG.invokeExact(address);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static void putByte(long address, byte value) {
        try {
            PUT_BYTE.invokeExact(address, value);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static void putShort(long address, short value) {
        try {
            PUT_SHORT.invokeExact(address, value);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static void putInt(long address, int value) {
        try {
            PUT_INT.invokeExact(address, value);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    public static void putLong(long address, long value) {
        try {
            PUT_LONG.invokeExact(address, value);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    /** Loads a 16-bit ring index; what the other side stored before it is visible afterwards. */
    public static short getShortAcquire(long address) {
        short value = getShort(address);
        VarHandle.acquireFence();
        return value;
    }

    public static int getIntAcquire(long address) {
        int value = getInt(address);
        VarHandle.acquireFence();
        return value;
    }

    /** Stores a 16-bit ring index; earlier stores are visible to any reader that sees it. */
    public static void putShortRelease(long address, short value) {
        VarHandle.releaseFence();
        putShort(address, value);
    }

    public static void putIntRelease(long address, int value) {
        VarHandle.releaseFence();
        putInt(address, value);
    }

    /** Orders a store before a following load, as between publishing an index and reading the other side's. */
    public static void fullFence() {
        VarHandle.fullFence();
    }

    /** Copies {@code bytes} bytes; the two ranges must not overlap. */
    public static void copy(long source, long target, long bytes) {
        try {
            // in steps: within one, this thread reaches no safepoint, and all others would wait for it
            for (; bytes > COPY_STEP; bytes -= COPY_STEP, source += COPY_STEP, target += COPY_STEP) {
                COPY.invokeExact(source, target, COPY_STEP);
            }
            COPY.invokeExact(source, target, bytes);
        } catch (Throwable e) {
            throw sneaky(e);
        }
    }

    /**
     * Sets {@code bytes} bytes to zero. It copies zeros: a copy that meets a truncated page ends there, with one fault
     * for each 16 KiB, where single stores would take one fault for each eight bytes, and Java 17's own fill would kill
     * the process.
     */
    public static void zero(long address, long bytes) {
        for (long done = 0; done < bytes; done += ZEROS_BYTES) {
            copy(ZEROS, address + done, Math.min(ZEROS_BYTES, bytes - done));
        }
    }

    /** Sets {@code bytes} bytes to {@code value}; for zeros {@link #zero} is faster. */
    public static void fill(long address, long bytes, byte value) {
        if (value == 0) {
            zero(address, bytes);
            return;
        }
        for (long at = address, end = address + bytes; at < end; at++) {
            putByte(at, value);
        }
    }

    private static Error sneaky(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        if (e instanceof RuntimeException runtime) {
            throw runtime;
        }
        throw new AssertionError("raw memory access throws nothing checked", e);
    }

    /** The two ways to reach memory, as method handles of one shape. */
    private interface Access {
        MethodHandle get(Class<?> type) throws ReflectiveOperationException;

        MethodHandle put(Class<?> type) throws ReflectiveOperationException;

        MethodHandle copy() throws ReflectiveOperationException;

        /** New memory that is never freed. */
        long allocateZeros(long bytes) throws ReflectiveOperationException;

        /** {@code sun.misc.Unsafe}, through the system loader since bundles do not import it. */
        static Access unsafe() throws ReflectiveOperationException {
            Class<?> type = Class.forName("sun.misc.Unsafe", true, ClassLoader.getPlatformClassLoader());
            Field field = type.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            Object unsafe = field.get(null);
            MethodHandles.Lookup lookup = MethodHandles.publicLookup();
            return new Access() {
                private MethodHandle bound(String name, MethodType shape) throws ReflectiveOperationException {
                    return lookup.findVirtual(type, name, shape).bindTo(unsafe);
                }

                @Override
                public MethodHandle get(Class<?> value) throws ReflectiveOperationException {
                    return bound("get" + capital(value), MethodType.methodType(value, long.class));
                }

                @Override
                public MethodHandle put(Class<?> value) throws ReflectiveOperationException {
                    return bound("put" + capital(value), MethodType.methodType(void.class, long.class, value));
                }

                @Override
                public MethodHandle copy() throws ReflectiveOperationException {
                    return bound("copyMemory", MethodType.methodType(void.class, long.class, long.class, long.class));
                }

                @Override
                public long allocateZeros(long bytes) throws ReflectiveOperationException {
                    long address =
                            (long) type.getMethod("allocateMemory", long.class).invoke(unsafe, bytes);
                    type.getMethod("setMemory", long.class, long.class, byte.class)
                            .invoke(unsafe, address, bytes, (byte) 0);
                    return address;
                }
            };
        }

        /** {@code java.lang.foreign}: one segment that spans all memory, bound into each handle. */
        static Access foreign() throws ReflectiveOperationException {
            Class<?> segment = Class.forName("java.lang.foreign.MemorySegment");
            Class<?> layout = Class.forName("java.lang.foreign.ValueLayout");
            MethodHandles.Lookup lookup = MethodHandles.publicLookup();
            Object nothing = segment.getField("NULL").get(null);
            Object everything = segment.getMethod("reinterpret", long.class).invoke(nothing, Long.MAX_VALUE);
            return new Access() {
                private VarHandle handle(Class<?> value) throws ReflectiveOperationException {
                    String name = "JAVA_" + capital(value).toUpperCase(java.util.Locale.ROOT)
                            + (value == byte.class ? "" : "_UNALIGNED");
                    Object of = layout.getField(name).get(null);
                    Class<?> memoryLayout = Class.forName("java.lang.foreign.MemoryLayout");
                    Class<?> path = Class.forName("java.lang.foreign.MemoryLayout$PathElement");
                    Object none = java.lang.reflect.Array.newInstance(path, 0);
                    return (VarHandle)
                            memoryLayout.getMethod("varHandle", none.getClass()).invoke(of, none);
                }

                @Override
                public MethodHandle get(Class<?> value) throws ReflectiveOperationException {
                    MethodHandle get = handle(value).toMethodHandle(VarHandle.AccessMode.GET);
                    return MethodHandles.insertArguments(get, 0, everything)
                            .asType(MethodType.methodType(value, long.class));
                }

                @Override
                public MethodHandle put(Class<?> value) throws ReflectiveOperationException {
                    MethodHandle set = handle(value).toMethodHandle(VarHandle.AccessMode.SET);
                    return MethodHandles.insertArguments(set, 0, everything)
                            .asType(MethodType.methodType(void.class, long.class, value));
                }

                @Override
                public MethodHandle copy() throws ReflectiveOperationException {
                    MethodHandle copy = lookup.findStatic(
                            segment,
                            "copy",
                            MethodType.methodType(void.class, segment, long.class, segment, long.class, long.class));
                    return MethodHandles.insertArguments(
                            MethodHandles.insertArguments(copy, 2, everything), 0, everything);
                }

                @Override
                public long allocateZeros(long bytes) throws ReflectiveOperationException {
                    Class<?> arena = Class.forName("java.lang.foreign.Arena");
                    Object global = arena.getMethod("global").invoke(null);
                    // an arena's memory is zeroed
                    Object zeros =
                            arena.getMethod("allocate", long.class, long.class).invoke(global, bytes, 64L);
                    return (long) segment.getMethod("address").invoke(zeros);
                }
            };
        }

        static String capital(Class<?> type) {
            String name = type.getSimpleName();
            return Character.toUpperCase(name.charAt(0)) + name.substring(1);
        }
    }
}
