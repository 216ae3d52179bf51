# The image holds one static program and the certificates of public authorities, and nothing else.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /s3ftpd ./cmd/s3ftpd

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /s3ftpd /s3ftpd
USER 65532:65532
EXPOSE 21 990
ENTRYPOINT ["/s3ftpd"]
