import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;

/** Runs one step of scripts/README.md with JSch. */
public class JSchClient {
    static ChannelSftp sftp;

    public static void main(String[] args) throws Exception {
        JSch jsch = new JSch();
        jsch.setKnownHosts(System.getenv("KNOWN_HOSTS"));
        Session session = jsch.getSession(System.getenv("FTP_USER"), System.getenv("HOST"), Integer.parseInt(System.getenv("PORT")));
        session.setPassword(System.getenv("FTP_PASSWORD"));
        session.setConfig("PreferredAuthentications", "password");
        session.setConfig("server_host_key", "ecdsa-sha2-nistp256,ssh-rsa");
        session.connect(60000);
        sftp = (ChannelSftp) session.openChannel("sftp");
        sftp.connect(60000);
        try {
            run(args[0], args[1], args[args.length - 1], args);
        } finally {
            session.disconnect();
        }
    }

    /** JSch takes patterns for names. */
    static String literal(String path) {
        return path.replaceAll("([\\\\*?\\[\\]])", "\\\\$1");
    }

    static void run(String step, String a, String b, String[] args) throws Exception {
        switch (step) {
            case "put" -> put(a, b, ChannelSftp.OVERWRITE);
            case "reput" -> put(a, b, ChannelSftp.RESUME);
            case "append" -> put(a, b, ChannelSftp.APPEND);
            case "get" -> sftp.get(literal(a), b);
            case "reget" -> sftp.get(literal(a), b, null, ChannelSftp.RESUME);
            case "put-time" -> {
                put(a, b, ChannelSftp.OVERWRITE);
                sftp.setMtime(literal(b), (int) (new File(a).lastModified() / 1000));
            }
            case "get-time" -> {
                sftp.get(literal(a), b);
                Files.setLastModifiedTime(Path.of(b), FileTime.from(Instant.ofEpochSecond(sftp.stat(literal(a)).getMTime())));
            }
            case "put-many" -> sftp.put(a + "/" + args[2], b);
            case "get-many" -> sftp.get(a + "/" + args[2], b);
            case "put-tree" -> putTree(new File(a), b);
            case "get-tree" -> getTree(a, b);
            case "list" -> names(a).forEach(e -> System.out.println(e.getFilename()));
            case "size" -> System.out.println(sftp.stat(literal(a)).getSize());
            case "time" -> System.out.println(DateTimeFormatter.ofPattern("yyyyMMddHHmmss").withZone(ZoneOffset.UTC)
                .format(Instant.ofEpochSecond(sftp.stat(literal(a)).getMTime())));
            case "mkdir" -> sftp.mkdir(a);
            case "rmdir" -> sftp.rmdir(literal(a));
            case "rename" -> sftp.rename(literal(a), b);
            case "delete" -> sftp.rm(literal(a));
            default -> throw new IllegalArgumentException(step);
        }
    }

    static void put(String local, String remote, int mode) throws Exception {
        try (var in = Files.newInputStream(Path.of(local))) {
            if (mode == ChannelSftp.RESUME) {
                sftp.put(local.replaceAll("([\\\\*?])", "\\\\$1"), literal(remote), null, mode);
            } else {
                sftp.put(in, literal(remote), mode);
            }
        }
    }

    static List<ChannelSftp.LsEntry> names(String dir) throws Exception {
        var all = new ArrayList<ChannelSftp.LsEntry>();
        for (Object o : sftp.ls(literal(dir))) {
            var e = (ChannelSftp.LsEntry) o;
            if (!e.getFilename().equals(".") && !e.getFilename().equals("..")) {
                all.add(e);
            }
        }
        return all;
    }

    static void putTree(File local, String remote) throws Exception {
        sftp.mkdir(remote);
        for (File f : local.listFiles()) {
            if (f.isDirectory()) {
                putTree(f, remote + "/" + f.getName());
            } else {
                put(f.getPath(), remote + "/" + f.getName(), ChannelSftp.OVERWRITE);
            }
        }
    }

    static void getTree(String remote, String local) throws Exception {
        Files.createDirectories(Path.of(local));
        for (var e : names(remote)) {
            String from = remote + "/" + e.getFilename(), to = local + "/" + e.getFilename();
            if (e.getAttrs().isDir()) {
                getTree(from, to);
            } else {
                sftp.get(literal(from), to);
            }
        }
    }
}
