package org.blktap.shell;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializationContext;
import com.google.gson.JsonSerializer;
import java.util.Locale;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;

/** How all commands print JSON: records with their fields' names, states in lower case, sizes in bytes. */
public final class Json {
    private static final JsonSerializer<Double> NUMBER = (value, type, context) ->
            // JSON has no NaN: there is no mean of nothing
            Double.isFinite(value) ? new JsonPrimitive(value) : JsonNull.INSTANCE;
    private static final GsonBuilder BUILDER = new GsonBuilder()
            .disableHtmlEscaping()
            .registerTypeAdapter(State.class, (JsonSerializer<State>)
                    (state, type, context) -> new JsonPrimitive(state.name().toLowerCase(Locale.ROOT)))
            .registerTypeAdapter(StateReason.Kind.class, (JsonSerializer<StateReason.Kind>)
                    (kind, type, context) -> new JsonPrimitive(kind.name().toLowerCase(Locale.ROOT)))
            .registerTypeAdapter(
                    DiskInfo.class, (JsonSerializer<DiskInfo>) (info, type, context) -> object(info, context))
            .registerTypeAdapter(double.class, NUMBER)
            .registerTypeAdapter(Double.class, NUMBER);
    private static final Gson LINE = BUILDER.create();
    private static final Gson GSON = BUILDER.setPrettyPrinting().create();

    private Json() {}

    private static JsonElement object(DiskInfo info, JsonSerializationContext context) {
        JsonObject object = new JsonObject();
        object.addProperty("sizeBytes", info.sizeBytes());
        object.addProperty("contentBytes", info.contentBytes());
        object.addProperty("blockSize", info.blockSize());
        object.addProperty("physicalBlockSize", info.physicalBlockSize());
        object.addProperty("optimalIoSize", info.optimalIoSize());
        object.addProperty("readOnly", info.readOnly());
        object.add(
                "operations",
                context.serialize(info.operations().stream()
                        .map(each -> each.name().toLowerCase(Locale.ROOT))
                        .toList()));
        object.add("details", context.serialize(info.details()));
        if (info.backing() != null) {
            object.addProperty(AttachmentStatus.BACKING, info.backing().toString());
        }
        return object;
    }

    /** Returns a value in one line. */
    public static String line(Object value) {
        return FileNames.escaped(LINE.toJson(value));
    }

    /** Returns a value as a tree, to add to it. */
    public static JsonElement tree(Object value) {
        return GSON.toJsonTree(value);
    }

    public static String of(Object value) {
        // a byte of a name that is not UTF-8 is half a character, which JSON can only have escaped
        return FileNames.escaped(GSON.toJson(value));
    }
}
